"""DCGAN's networks with styles in place of the latent: a W, truncation and style mixing at the price of DCGAN.

A mapping network takes latent and label to a style, which chooses the gains and shifts of each layer's normalisation,
as in StyleGAN (Karras et al. 2019, equation 1); statistics are those of the batch, as in DCGAN, where StyleGAN takes
each image's. The discriminator is DCGAN's.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.families.gan.generator import STYLE_MEAN_DECAY, StyleGenerator

from . import Architecture, ImageShape, architectures
from .dcgan import DCGANConfig, DCGANDiscriminator, widths_of


class StyleDCGANConfig(DCGANConfig):
    """Beside DCGAN's settings: the size of styles, the depth of the mapping network, and the probability that, in
    training, the styles of a picture change to another latent's at some layer."""

    style_dim: int = Field(default=128, ge=1, le=4096)
    mapping_layers: int = Field(default=2, ge=1, le=32)
    style_mixing: float = Field(default=0.3, ge=0, le=1)


class Mapping(nn.Module):
    """latents [N, latent_dim], labels [N, num_classes] → styles [N, style_dim]."""

    def __init__(self, config: StyleDCGANConfig, num_classes: int) -> None:
        super().__init__()
        embedding_dim = config.label_embedding_dim if num_classes else 0
        self.embedding = nn.Linear(num_classes, embedding_dim, bias=False) if embedding_dim else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight)
        sizes = [config.latent_dim + embedding_dim] + [config.style_dim] * config.mapping_layers
        self.layers = nn.ModuleList(nn.Linear(size, next_size) for size, next_size in zip(sizes, sizes[1:]))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, 0.2)
            nn.init.zeros_(layer.bias)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        features = latents if self.embedding is None else torch.cat([latents, self.embedding(labels)], dim=1)
        for layer in self.layers:
            features = functional.leaky_relu(layer(features), 0.2)
        return features


class AdaptiveBatchNorm(nn.Module):
    """Batch normalisation whose gains and shifts are affine in the style; gains start around 1, shifts around 0."""

    def __init__(self, width: int, style_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.affine = nn.Linear(style_dim, 2 * width)
        nn.init.normal_(self.affine.weight, std=0.3 / style_dim**0.5)
        nn.init.zeros_(self.affine.bias)

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        gain, shift = self.affine(style)[:, :, None, None].chunk(2, dim=1)
        return self.norm(maps) * (1 + gain) + shift


class StyleDCGANGenerator(StyleGenerator):
    """latents [N, latent_dim], labels [N, num_classes] → images [N, channels, R, R] in [-1, 1].

    The stem reads the style 0, the layers that follow the styles 1, 2, …
    """

    class_style_means: Tensor

    def __init__(self, config: StyleDCGANConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.style_mixing = config.style_mixing
        self.mapping_network = Mapping(config, image_shape.num_classes)
        self.register_buffer("style_mean", torch.zeros(config.style_dim))
        self.register_buffer("class_style_means", torch.zeros(image_shape.num_classes, config.style_dim))
        widths = widths_of(config.generator_width, config, image_shape)
        self.stem_shape = (widths[0], image_shape.stem_resolution, image_shape.stem_resolution)
        self.stem = nn.Linear(config.style_dim, widths[0] * image_shape.stem_resolution**2)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(config.stem_convolutions):
            self.convolutions.append(nn.Conv2d(widths[0], widths[0], 3, 1, 1, bias=False))
            self.norms.append(AdaptiveBatchNorm(widths[0], config.style_dim))
        for width, next_width in zip(widths, widths[1:]):
            self.convolutions.append(nn.ConvTranspose2d(width, next_width, 4, 2, 1, bias=False))
            self.norms.append(AdaptiveBatchNorm(next_width, config.style_dim))
        self.to_image = nn.ConvTranspose2d(widths[-1], image_shape.channels, 4, 2, 1)
        self.num_layers = 1 + len(self.norms)

    def average(self, styles: Tensor, labels: Tensor) -> None:
        super().average(styles, labels)
        if labels.shape[1]:
            counts = labels.sum(0)[:, None]
            means = labels.T @ styles / counts.clamp(min=1e-8)
            self.class_style_means.lerp_(means, (1 - STYLE_MEAN_DECAY) * (counts > 0))

    def truncation_centre(self, labels: Tensor) -> Tensor:
        """The mean of the styles of each image's class, [N, 1, style_dim], so that truncation keeps the class."""
        return (labels @ self.class_style_means)[:, None] if labels.shape[1] else self.style_mean

    def synthesis(self, styles: Tensor) -> Tensor:
        maps = self.stem(styles[:, 0]).unflatten(1, self.stem_shape).contiguous(memory_format=torch.channels_last)
        maps = functional.relu(self.stem_norm(maps))
        for layer, (convolution, norm) in enumerate(zip(self.convolutions, self.norms), start=1):
            maps = functional.relu(norm(convolution(maps), styles[:, layer]))
        return torch.tanh(self.to_image(maps))

    def first_layers(self) -> list[Tensor]:
        """What reads the style of each layer: `num_layers` weights [outputs, style_dim]."""
        readers = [self.stem, *[norm.affine for norm in self.norms if isinstance(norm, AdaptiveBatchNorm)]]
        return [reader.weight for reader in readers]


architectures.register("style-dcgan", Architecture(StyleDCGANConfig, StyleDCGANGenerator, DCGANDiscriminator))
