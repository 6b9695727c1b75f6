"""The classroom GAN (Goodfellow et al. 2014, in its popular MNIST form): two small multilayer perceptrons.

Generator 100-256-256-784 with tanh, discriminator 784-256-128-1. The discriminator returns logits, and the loss
applies the sigmoid; a binary cross-entropy on raw outputs, as many tutorials have it, is not a likelihood.
Labels, where there are any, are appended to both inputs (Mirza & Osindero 2014).
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.families.gan.generator import Generator

from . import Architecture, ImageShape, architectures

Width = Annotated[int, Field(ge=1, le=8192)]


class MLPConfig(Config):
    """Hidden widths, from input to output."""

    latent_dim: int = Field(default=100, ge=1, le=4096)
    generator_widths: tuple[Width, Width] = (256, 256)
    discriminator_widths: tuple[Width, Width] = (256, 128)


class MLPGenerator(Generator):
    """latents [N, latent_dim], labels [N, num_classes] → images [N, channels, R, R] in [-1, 1]."""

    def __init__(self, config: MLPConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.output_shape = (image_shape.channels, image_shape.resolution, image_shape.resolution)
        first, second = config.generator_widths
        self.layers = nn.Sequential(
            nn.Linear(config.latent_dim + image_shape.num_classes, first),
            nn.LeakyReLU(0.2),
            nn.Linear(first, second),
            nn.LeakyReLU(0.2),
            nn.Linear(second, image_shape.channels * image_shape.resolution**2),
            nn.Tanh(),
        )

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([latents, labels], dim=1)).unflatten(1, self.output_shape)

    def first_layers(self) -> list[Tensor]:
        """The first layer's weight on the latent: [256, latent_dim]."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        return [first.weight[:, : self.latent_dim]]


class MLPDiscriminator(nn.Module):
    """images [N, channels, R, R] in [-1, 1], labels [N, num_classes] → logits [N]."""

    def __init__(self, config: MLPConfig, image_shape: ImageShape) -> None:
        super().__init__()
        first, second = config.discriminator_widths
        self.layers = nn.Sequential(
            nn.Linear(image_shape.channels * image_shape.resolution**2 + image_shape.num_classes, first),
            nn.LeakyReLU(0.2),
            nn.Linear(first, second),
            nn.LeakyReLU(0.2),
            nn.Linear(second, 1),
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([images.flatten(1), labels], dim=1)).squeeze(1)


architectures.register("mlp", Architecture(MLPConfig, MLPGenerator, MLPDiscriminator))
