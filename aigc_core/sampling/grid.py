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
from aigc_core.modalities.image import TOLERANCE, check_pixels
from aigc_core.modalities.labelled_grid import cells_of, labelled_grid
from aigc_core.modalities.png import read_png, save_png
from aigc_core.modalities.provenance import Statement

from .edits import OFFSET
from .labels import ClassIndex, class_in, join_entries, split_entries
from .request import REQUEST, SampleRequest

SEED, CLASS, STEP = "seed", "class", "step"
SIDES = ("grid_x", "grid_y")
"""The options of a request that make it one of a grid: the columns and the rows, each as NAME=VALUES."""
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

    def text(self) -> str:
        """NAME=VALUES, of which `parse` makes the same axis."""
        values = join_entries(self.values) if self.name == CLASS else ",".join(self.values)
        return f"{self.name}={values}"

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
        return parse_config(SampleRequest, request.model_dump() | {"seed": value}, REQUEST)
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
    """A drawn grid: what all cells share, its sides, and the requests of the cells with their stored samples [N, …],
    row by row."""

    checkpoint: StoredCheckpoint
    base: SampleRequest
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
        base = request.singles()[0]
        requests = grid_requests(checkpoint, base, x, y)
        return cls(checkpoint, base, x, y, requests, draw_cells(requests, draw))

    @classmethod
    def of_request(
        cls, checkpoint: StoredCheckpoint, request: SampleRequest, draw: Callable[[list[SampleRequest]], Tensor]
    ) -> Grid:
        """That of a request with SIDES. Raises AIGCError as `grid_requests` does."""
        base, sides = apart(request)
        named = (side.partition("=") for side in sides)
        x, y = (Axis.parse(name, values, checkpoint.config) for name, _, values in named)
        return cls.around(checkpoint, base, x, y, draw)

    @property
    def request(self) -> SampleRequest:
        """That of the whole, with SIDES among its options. Raises AIGCError if their values are too long for one."""
        sides = dict(zip(SIDES, (self.x.text(), self.y.text())))
        return parse_config(SampleRequest, self.base.model_dump() | sides, REQUEST)

    def labels(self) -> tuple[list[str], list[str]]:
        """What its columns and its rows are called."""
        return self.x.labels(self.checkpoint.config), self.y.labels(self.checkpoint.config)

    def save(self, path: Path) -> None:
        """Write it as one PNG with its labels.

        Raises AIGCError if it is too large, or the disk is full or not writable.
        """
        save_png(path, self._picture(), Statement(self.request.canonical(), self.checkpoint.weights_sha256))

    def verify(self, path: Path) -> str:
        """A sentence that confirms that a file shows this grid. Raises AIGCError with how it differs, if it does."""
        found, made = read_png(path)[0], self._picture()
        said = check_pixels(*(cells_of(picture, self._cells(), len(self.x.values)) for picture in (found, made)))
        if found.shape[1:] != made.shape[1:] or (found.int() - made.int()).abs().max() > TOLERANCE:
            raise AIGCError("The samples match, but not their labels: these were changed, or written in another font.")
        return said

    def _cells(self) -> Tensor:
        return self.checkpoint.modality.pictures(self.stored)

    def _picture(self) -> Tensor:
        return labelled_grid(self._cells(), *self.labels(), self.x.name, self.y.name)


def is_grid(request: SampleRequest) -> bool:
    """Whether a request is one of a grid."""
    return set(SIDES) <= request.options.keys()


def apart(request: SampleRequest) -> tuple[SampleRequest, tuple[str, ...]]:
    """A request of a grid as that of what all cells share, and its sides."""
    others = {name: value for name, value in request.options.items() if name not in SIDES}
    return request.model_copy(update={"options": others}), tuple(request.options[side] for side in SIDES)


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
