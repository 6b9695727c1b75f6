"""The registry of architectures: networks that are vector fields over images.

Every module in this package registers itself when the registry is first asked, so adding an architecture is adding a
file; code outside the package calls `architectures.register` in the same way.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.registry import Registry


class FieldConfig(Config):
    """What the configs of all architectures share.

    `predicts`: the velocity v(x, t) at a time, or its average u(x, t, d) over the time from t to t + d, which MeanFlow
    learns; the network is told one time or two. `output`: what the network's maps are, that vector or the sample that
    the point leads to, of which the vector follows (see `sample_prediction`).
    """

    predicts: Literal["velocity", "average_velocity"] = "velocity"
    output: Literal["vector", "sample"] = "vector"


class VectorField(nn.Module):
    """maps [N, C, R, R], times float32 [N, T], classes [N, num_classes] → vectors [N, C, R, R].

    Rows of `classes` are weights that sum to one, or all zero where the class is not told.
    """

    @abstractmethod
    def forward(self, maps: Tensor, times: Tensor, classes: Tensor) -> Tensor: ...

    @abstractmethod
    def input_weight(self) -> Tensor:
        """The weight [K, C, h, w] of the convolution that reads the maps."""

    @property
    @abstractmethod
    def input_stride(self) -> int:
        """Its stride; it is padded by (h − stride) / 2."""


@dataclass(frozen=True)
class FieldShape:
    """What a vector field is built for: images [channels, resolution, resolution], `num_times` T, classes or none."""

    channels: int
    resolution: int
    num_classes: int
    num_times: int


@dataclass(frozen=True)
class Architecture:
    """A network's config and what builds it."""

    config: type[FieldConfig]
    build: Callable[[Any, FieldShape], VectorField]


architectures: Registry[Architecture] = Registry("architecture of flows", "aigc_core.families.flow.networks")
