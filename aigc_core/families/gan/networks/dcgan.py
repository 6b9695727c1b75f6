"""DCGAN (Radford et al. 2015): transposed convolutions up, strided convolutions down.

Labels, where there are any, enter the generator as an embedding beside the latent and the discriminator by
projection (Miyato & Koyama 2018, equation 3).
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.config import Config
from aigc_core.families.gan.generator import Generator
from aigc_core.families.gan.projection import ProjectionDiscriminator

from . import Architecture, ImageShape, architectures


class DCGANConfig(Config):
    """Widths are the channels at half the image's resolution; they double with every halving, up to `max_width`.

    The paper's 64-pixel networks have `generator_width` 128 and `discriminator_width` 64 … 128 with
    normalisation by batch (section 3). With a gradient penalty the discriminator must have
    `discriminator_norm` "none": a penalty for each image has no meaning where the images of a batch influence
    one another. `stem_convolutions` 3 × 3 convolutions, of which the paper has none, follow at the generator's lowest
    resolution, where they are cheap.
    """

    latent_dim: int = Field(default=100, ge=1, le=4096)
    generator_width: int = Field(default=64, ge=1, le=2048)
    discriminator_width: int = Field(default=64, ge=1, le=2048)
    stem_convolutions: int = Field(default=0, ge=0, le=16)
    max_width: int = Field(default=512, ge=1, le=8192)
    label_embedding_dim: int = Field(default=32, ge=1, le=4096)
    discriminator_features: int = Field(default=256, ge=0, le=8192)
    discriminator_norm: Literal["none", "batch"] = "none"


def widths_of(width: int, config: DCGANConfig, image_shape: ImageShape) -> list[int]:
    """Channels from the lowest resolution to the highest hidden one."""
    return [min(config.max_width, width * 2**level) for level in reversed(range(image_shape.doublings))]


def _rectifier() -> nn.Module:
    """In place, as nothing else needs the values before it."""
    return nn.LeakyReLU(0.2, inplace=True)


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """A convolution of the generator with what follows it."""
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)]


class DCGANGenerator(Generator):
    """latents [N, latent_dim], labels [N, num_classes] → images [N, channels, R, R] in [-1, 1]."""

    def __init__(self, config: DCGANConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        widths = widths_of(config.generator_width, config, image_shape)
        self.stem_shape = (widths[0], image_shape.stem_resolution, image_shape.stem_resolution)
        embedding_dim = config.label_embedding_dim if image_shape.num_classes else 0
        self.embedding = nn.Linear(image_shape.num_classes, embedding_dim, bias=False) if embedding_dim else None
        self.stem = nn.Linear(config.latent_dim + embedding_dim, widths[0] * image_shape.stem_resolution**2)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        blocks: list[nn.Module] = []
        for _ in range(config.stem_convolutions):
            blocks += _normalised(nn.Conv2d(widths[0], widths[0], 3, 1, 1, bias=False))
        for width, next_width in zip(widths, widths[1:]):
            blocks += _normalised(nn.ConvTranspose2d(width, next_width, 4, 2, 1, bias=False))
        self.blocks = nn.Sequential(*blocks)
        self.to_image = nn.ConvTranspose2d(widths[-1], image_shape.channels, 4, 2, 1)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.embedding is not None:
            latents = torch.cat([latents, self.embedding(labels)], dim=1)
        features = self.stem(latents).unflatten(1, self.stem_shape).contiguous(memory_format=torch.channels_last)
        features = functional.relu(self.stem_norm(features))
        return torch.tanh(self.to_image(self.blocks(features)))

    def first_layers(self) -> list[Tensor]:
        """The stem's weight on the latent: [stem features, latent_dim]."""
        return [self.stem.weight[:, : self.latent_dim]]


class DCGANDiscriminator(ProjectionDiscriminator):
    """images [N, channels, R, R] in [-1, 1], labels [N, num_classes] → logits [N]."""

    def __init__(self, config: DCGANConfig, image_shape: ImageShape) -> None:
        super().__init__()
        widths = widths_of(config.discriminator_width, config, image_shape)[::-1]
        blocks: list[nn.Module] = [nn.Conv2d(image_shape.channels, widths[0], 4, 2, 1), _rectifier()]
        for width, next_width in zip(widths, widths[1:]):
            blocks.append(nn.Conv2d(width, next_width, 4, 2, 1))
            if config.discriminator_norm == "batch":
                blocks.append(nn.BatchNorm2d(next_width))
            blocks.append(_rectifier())
        self.blocks = nn.Sequential(*blocks)
        features = widths[-1] * image_shape.stem_resolution**2
        self.to_features = nn.Sequential()
        if config.discriminator_features:
            self.to_features.extend([nn.Linear(features, config.discriminator_features), _rectifier()])
            features = config.discriminator_features
        self.to_logit = nn.Linear(features, 1)
        self.projection = nn.Linear(image_shape.num_classes, features, bias=False) if image_shape.num_classes else None

    def features(self, images: Tensor) -> Tensor:
        """What logits are read from, [N, num_features]; maps are flattened in the order in which they lie in memory."""
        return self.to_features(self.blocks(images).permute(0, 2, 3, 1).flatten(1))


architectures.register("dcgan", Architecture(DCGANConfig, DCGANGenerator, DCGANDiscriminator))
