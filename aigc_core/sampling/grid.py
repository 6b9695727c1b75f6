"""A grid over two settings: each value of one with each value of the other, and all else as one request has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.reference import CheckpointReference, step_number
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError
from aigc_core.families.base import Capability, StyleModel
from aigc_core.modalities.base import Modality
from aigc_core.modalities.labelled_grid import labelled_grid
from aigc_core.modalities.png import save_png
from aigc_core.modalities.provenance import Statement

from .edits import OFFSET
from .labels import ClassIndex, class_in, split_entries
from .request import SampleRequest

SEED, CLASS, STEP = "seed", "class", "step"
FINAL = "final"
"""The step at which a training ended."""
MAX_VALUES = 16


@dataclass(frozen=True)
class Axis:
    """A setting and its values as text: `seed`, `class`, `step` (of training: a number, or `final`), or an option of a
    request by its name."""

    name: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, name: str, text: str, config: CheckpointConfig) -> Axis:
        """The axis of a list such as "0.5, 0.7, 1", in which "1-8" stands for the whole numbers from 1 to 8.

        Raises AIGCError for no values and for more than MAX_VALUES.
        """
        classes = ClassIndex(config.class_names, config.num_classes)
        values: list[str] = []
        for entry in split_entries(text) if name == CLASS else map(str.strip, text.split(",")):
            numbers = re.fullmatch("([0-9]{1,12}) ?[-–] ?([0-9]{1,12})", entry)
            if numbers and not (name == CLASS and classes.find(entry) is not None):
                first, last = (int(number) for number in numbers.groups())
                step = 1 if first <= last else -1
                # One more than fits, so that it is refused.
                values += [str(number) for number in range(first, last + step, step)[: MAX_VALUES + 1]]
            elif entry:
                values.append(entry)
        values = list(dict.fromkeys(values))
        if not values:
            raise AIGCError("'{name}' has no values; write a list such as 1, 2, 5 or a range such as 1-8.", name=name)
        if len(values) > MAX_VALUES:
            raise AIGCError(
                "A grid has at most {limit} values a side; give '{name}' fewer.", limit=MAX_VALUES, name=name
            )
        return cls(name, tuple(values))

    def labels(self, config: CheckpointConfig) -> list[str]:
        """What each value is called."""
        if self.name == STEP:
            return [f"{int(value):,}" if value.isdecimal() else value for value in self.values]
        if self.name != CLASS:
            return list(self.values)
        classes = ClassIndex(config.class_names, config.num_classes)
        found = [(value, classes.find(value)) for value in self.values]
        return [class_in(value) if label is None else config.class_name(label) for value, label in found]


def axis_names(checkpoint: StoredCheckpoint) -> list[str]:
    """What a grid of a model can have on a side, beside its latent directions (`offset.NAME`)."""
    model = checkpoint.model
    styles = ["mix_seed", "mix_layer"] if isinstance(model, StyleModel) else []
    return [SEED, *[CLASS] * (checkpoint.config.num_classes > 0), STEP, *model.options_type.model_fields, *styles]


def grid_requests(checkpoint: StoredCheckpoint, base: SampleRequest, x: Axis, y: Axis) -> list[SampleRequest]:
    """The request of each cell, row by row: `x` leads through the columns and `y` through the rows; all else is as in
    `base`, a request of one sample.

    Raises AIGCError for a setting that the model does not have, two equal ones, and a wrong value.
    """
    known = axis_names(checkpoint)
    for name in (x.name, y.name):
        if name not in known and not (name.startswith(OFFSET) and Capability.LATENT in checkpoint.model.capabilities):
            raise AIGCError(
                "A grid of this model has no side '{name}'; choose two of {known}.", name=name, known=", ".join(known)
            )
    if x.name == y.name:
        raise AIGCError("Both sides of the grid are '{name}'; choose two different settings.", name=x.name)
    requests = []
    for down in y.values:
        row = _with(base, y.name, down)
        requests += [_with(row, x.name, across).normalised(checkpoint.model) for across in x.values]
    return requests


def _with(request: SampleRequest, name: str, value: str) -> SampleRequest:
    """A request with another value of one setting. Raises AIGCError for a seed that is none."""
    if name == SEED:
        return parse_config(SampleRequest, request.model_dump() | {"seed": value}, "Sample request")
    if name == CLASS:
        return request.model_copy(update={"labels": value})
    if name == STEP:
        revision = "" if value == FINAL else value if step_number(value) is not None else _step(value)
        located = replace(CheckpointReference.parse(request.checkpoint), revision=revision)
        return request.model_copy(update={"checkpoint": str(located)})
    return request.with_options(request.options | {name: value})


def _step(value: str) -> str:
    if not re.fullmatch("[0-9]{1,12}", value):
        raise AIGCError("'{value}' is no step of training; write a number, or {final}.", value=value, final=FINAL)
    return f"step-{int(value):07d}"


@dataclass(frozen=True)
class Grid:
    """A drawn grid: its sides, and the requests of its cells with their stored samples [N, …], row by row."""

    checkpoint: StoredCheckpoint
    x: Axis
    y: Axis
    requests: list[SampleRequest]
    stored: Tensor

    @classmethod
    def around(
        cls,
        checkpoint: StoredCheckpoint,
        request: SampleRequest,
        x: Axis,
        y: Axis,
        draw: Callable[[list[SampleRequest]], Tensor],
    ) -> Grid:
        """That around the first sample of a request; `draw` as `draw_cells` takes it.

        Raises AIGCError as `grid_requests` does.
        """
        requests = grid_requests(checkpoint, request.singles()[0], x, y)
        return cls(checkpoint, x, y, requests, draw_cells(requests, draw))

    def labels(self) -> tuple[list[str], list[str]]:
        """What its columns and its rows are called."""
        return self.x.labels(self.checkpoint.config), self.y.labels(self.checkpoint.config)

    def save(self, path: Path) -> None:
        """Write it as one PNG with its labels.

        Raises AIGCError if it is too large, or the disk is full or not writable.
        """
        cells = self.checkpoint.modality.pictures(self.stored)
        picture = labelled_grid(cells, *self.labels(), self.x.name, self.y.name)
        save_png(path, picture, Statement("", self.checkpoint.weights_sha256))


def check_has_pictures(modality: Modality) -> None:
    """Raise AIGCError for samples of which no grid can be made."""
    if not modality.has_pictures:
        raise AIGCError("A grid is a picture, and {samples} are none.", samples=modality.plural)


def draw_cells(requests: Sequence[SampleRequest], draw: Callable[[list[SampleRequest]], Tensor]) -> Tensor:
    """The stored samples [N, …] of requests of one sample each, in their order.

    `draw` makes those of requests to one checkpoint; those with the same options stand together, as they are drawn
    together.
    """

    def key(index: int) -> tuple[str, list[tuple[str, str]]]:
        return requests[index].checkpoint, sorted(requests[index].options.items())

    order = sorted(range(len(requests)), key=key)
    groups = groupby((requests[index] for index in order), lambda request: request.checkpoint)
    drawn = torch.cat([draw(list(group)) for _, group in groups])
    return drawn[torch.tensor(order).argsort()]
