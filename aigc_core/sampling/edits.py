"""Edits of latents: steps along directions or coordinates, and style mixing, for models with a smooth latent space."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from aigc_core.config import Config, parse_config
from aigc_core.errors import Sentence
from aigc_core.rng import MAX_SEED

OFFSET = "offset."


class LatentEdits(Config):
    """How a request edits the codes of its samples.

    `offsets`: how far to move after truncation, in standard deviations from -100 to 100, along a coordinate ("z12") or
    a direction ("pca0", "sefa3"; see `directions`). In a model with styles, coordinates move the noise before the
    mapping and directions move the styles.
    `mix_seed`, `mix_layer`: style mixing (Karras et al. 2019, section 3.1): layers from `mix_layer` on take the
    styles of seed `mix_seed`.
    """

    offsets: dict[str, float] = {}
    mix_seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    mix_layer: int = Field(default=0, ge=0, le=100)

    @field_validator("offsets")
    @classmethod
    def _bounded_offsets(cls, offsets: dict[str, float]) -> dict[str, float]:
        if len(offsets) > 4096 or not all(abs(value) <= 100 for value in offsets.values()):
            raise ValueError(Sentence("offsets must be numbers from -100 to 100"))
        return {name: offsets[name] for name in sorted(offsets) if offsets[name]}

    @classmethod
    def is_edit(cls, name: str) -> bool:
        """Whether an option of that name in a request is an edit."""
        return name.startswith(OFFSET) or name in ("mix_seed", "mix_layer")

    @classmethod
    def of_options(cls, options: Mapping[str, str]) -> LatentEdits:
        """The edits among a request's options. Raises AIGCError for values out of range."""
        values: dict[str, Any] = {name: value for name, value in options.items() if name in ("mix_seed", "mix_layer")}
        offsets = {name.removeprefix(OFFSET): value for name, value in options.items() if name.startswith(OFFSET)}
        return parse_config(cls, values | ({"offsets": offsets} if offsets else {}), Sentence("Request"))

    def as_options(self) -> dict[str, float | int]:
        """The inverse of `of_options`, without defaults."""
        values: dict[str, Any] = self.model_dump(exclude_defaults=True, exclude={"offsets"})
        return values | {OFFSET + name: value for name, value in self.offsets.items()}

    def at(self, name: str, value: float) -> LatentEdits:
        """A copy in which one offset is `value`."""
        return LatentEdits(offsets=self.offsets | {name: value}, mix_seed=self.mix_seed, mix_layer=self.mix_layer)

    def noise_offset(self, size: int) -> Tensor:
        """The sum of the moves along coordinates, float32 [size], to add to noise [N, size]."""
        offset = torch.zeros(size)
        for name, value in self.offsets.items():
            if (index := _coordinate(name, size)) is not None:
                offset[index] = value
        return offset

    def along_directions(self, size: int) -> dict[str, float]:
        """The offsets that are not coordinates of noise [N, size]: directions, and how far to move along each."""
        return {name: value for name, value in self.offsets.items() if _coordinate(name, size) is None}


def _coordinate(name: str, size: int) -> int | None:
    """The index of a coordinate "z12"; None for another name, and where there is no such coordinate."""
    match = re.fullmatch("z([0-9]{1,4})", name)
    return int(match.group(1)) if match and int(match.group(1)) < size else None
