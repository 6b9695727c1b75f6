"""Finite scalar quantisation: each value is rounded to one of a few levels, and nothing is learnt."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from aigc_core.config import Config
from aigc_core.errors import Sentence

from .quantiser import Quantised, Quantiser

MAX_SIZE = 65_536
SLACK = 1e-3
"""By which the outermost values stay within their level."""


class FiniteScalarConfig(Config):
    """How many levels each value of a vector has; there are as many codes as their product."""

    name: Literal["finite-scalar"] = "finite-scalar"
    levels: tuple[Annotated[int, Field(ge=2, le=MAX_SIZE)], ...] = Field(default=(8, 6, 5), min_length=1, max_length=16)

    @model_validator(mode="after")
    def _not_too_many(self) -> FiniteScalarConfig:
        if math.prod(self.levels) > MAX_SIZE:
            raise ValueError(Sentence("the product of the levels must be at most {limit:,}", limit=MAX_SIZE))
        return self


class FiniteScalar(Quantiser):
    """Values bounded by tanh and rounded, with a straight-through gradient (Mentzer et al. 2023, appendix A.1).

    A vector's values are in [-1, 1]; the first one's level is the least significant digit of its code.
    """

    def __init__(self, config: FiniteScalarConfig) -> None:
        super().__init__()
        self.config, self.size, self.dim = config, math.prod(config.levels), len(config.levels)

    def forward(self, vectors: Tensor) -> Quantised:
        bounded = self.bounded(vectors)
        rounded = bounded.round()
        levels, places = self._levels_and_places(vectors.device)
        codes = ((rounded.detach().long() + levels // 2) * places).sum(1)
        straight_through = bounded + (rounded - bounded).detach()
        return Quantised(codes, straight_through / (levels // 2), vectors.new_zeros(()))

    def bounded(self, vectors: Tensor) -> Tensor:
        """Vectors [M, dim] → values that are rounded to whole numbers from −⌊L / 2⌋ on, L of them."""
        levels, _ = self._levels_and_places(vectors.device)
        half = (levels - 1) * (1 - SLACK) / 2
        offset = 0.5 * (1 - levels % 2)
        return (vectors + (offset / half).tan()).tanh() * half - offset

    def vectors_of(self, codes: Tensor) -> Tensor:
        levels, places = self._levels_and_places(codes.device)
        half_width = levels // 2
        return (codes[..., None] // places % levels - half_width) / half_width

    def _levels_and_places(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """How many levels each value has, and what one level counts for in the code, int64 [dim] each."""
        levels = torch.tensor(self.config.levels, device=device)
        return levels, levels.cumprod(0) // levels
