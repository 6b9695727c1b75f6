"""The networks of a VAE: strided convolutions down to a Gaussian of latents, transposed ones up to a mean image.

Classes, if there are any, are concatenated to the input of the linear layer of both.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.families.base import ModelSpec, square_map
from aigc_core.nn.autoencoder import downsampling, upsampling


class ConvolutionalConfig(Config):
    """`width`: channels at half the image's resolution; they double with every halving, up to `max_width`.

    `refinements`: 3 × 3 convolutions with a skip connection at each resolution but the image's.
    """

    latent_dim: int = Field(default=32, ge=1, le=4096)
    width: int = Field(default=32, ge=1, le=2048)
    max_width: int = Field(default=256, ge=1, le=8192)
    refinements: int = Field(default=1, ge=0, le=8)


class Shape:
    """The shape of samples and latents, and the widths from the lowest resolution to the highest hidden one."""

    def __init__(self, config: ConvolutionalConfig, spec: ModelSpec) -> None:
        self.channels, resolution = square_map(spec.modality)
        self.num_classes = spec.num_classes
        self.stem_side = 7 if resolution == 28 else 4
        halvings = (resolution // self.stem_side).bit_length() - 1
        self.widths = [min(config.max_width, config.width * 2**level) for level in reversed(range(halvings))]
        self.stem_size = self.widths[0] * self.stem_side**2


class Encoder(nn.Module):
    """images [N, C, R, R], classes [N, K] → means and log variances of the latents, [N, latent_dim] each."""

    def __init__(self, config: ConvolutionalConfig, spec: ModelSpec) -> None:
        super().__init__()
        shape = Shape(config, spec)
        self.layers = downsampling([shape.channels, *reversed(shape.widths)], config.refinements)
        self.to_gaussian = nn.Linear(shape.stem_size + shape.num_classes, 2 * config.latent_dim)

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.to_gaussian(torch.cat([self.layers(images).flatten(1), classes], 1)).chunk(2, 1)
        # Beyond these bounds exp() may overflow, and more makes no difference.
        return mean, log_variance.clamp(-20, 10)


class Decoder(nn.Module):
    """latents [N, latent_dim], classes [N, K] → mean images [N, C, R, R]."""

    def __init__(self, config: ConvolutionalConfig, spec: ModelSpec) -> None:
        super().__init__()
        shape = Shape(config, spec)
        self.latent_dim, self.stem_shape = config.latent_dim, (shape.widths[0], shape.stem_side, shape.stem_side)
        self.stem = nn.Linear(config.latent_dim + shape.num_classes, shape.stem_size)
        self.layers = upsampling([*shape.widths, shape.channels], config.refinements)

    def forward(self, latents: Tensor, classes: Tensor) -> Tensor:
        stem = self.stem(torch.cat([latents, classes], 1)).unflatten(1, self.stem_shape)
        return self.layers(stem.contiguous(memory_format=torch.channels_last))
