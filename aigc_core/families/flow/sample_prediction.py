"""A vector field by way of the sample that a point leads to (x-prediction; Li & He 2025, "Back to Basics: Let Denoising
Generative Models Denoise", table 1)."""

from __future__ import annotations

from torch import Tensor

from .networks import VectorField

LEAST_TIME_LEFT = 0.05
"""The least time left that is divided by (Li & He 2025, section 4.1)."""


class SamplePrediction(VectorField):
    """The network predicts the sample, and the vector leads there in the time that is left: (sample − x) / (1 − t).

    Samples lie on a much smaller set than noise, so a narrow network can predict them, which could not carry the noise
    of every pixel to its output. The loss is still that of the vector.
    """

    def __init__(self, network: VectorField) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        left = (1 - times[:, 0]).clamp(min=LEAST_TIME_LEFT).view(-1, 1, 1, 1)
        return (self.network(maps, times, classes) - maps) / left

    def input_weight(self) -> Tensor:
        return self.network.input_weight()

    @property
    def input_stride(self) -> int:
        return self.network.input_stride
