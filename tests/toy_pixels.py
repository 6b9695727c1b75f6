"""A family registered from outside the package: images without latents, and one sampler option of each type."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.families.base import Condition, Family, Model, ModelSpec, SamplerOptions, families
from aigc_core.modalities.image import image_kind


class PixelOptions(SamplerOptions):
    """How the noise becomes an image."""

    contrast: float = Field(default=0.5, ge=0, le=2, title="Contrast", description="0: all grey")
    levels: int | None = Field(default=None, ge=2, title="Grey levels")
    tone: Literal["plain", "negative"] = Field(default="plain", title="Tone")
    mirrored: bool = Field(default=False, title="Symmetric")
    weights: tuple[float, ...] = ()


class Pixels(Model):
    """Noise seen through one gain."""

    options_type = PixelOptions

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape, self.gain = shape, nn.Parameter(torch.ones(()))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return self.shape

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        assert isinstance(options, PixelOptions)
        images = torch.tanh(noise * self.gain * options.contrast)
        images = torch.maximum(images, images.flip(-1)) if options.mirrored else images
        if options.levels:
            images = ((images + 1) / 2 * (options.levels - 1)).round() / (options.levels - 1) * 2 - 1
        return -images if options.tone == "negative" else images


def build(spec: ModelSpec) -> Pixels:
    kind = image_kind(spec.modality)
    return Pixels((kind.channels, kind.resolution, kind.resolution))


families.register("toy-pixels", Family(build, {}, PixelOptions))
