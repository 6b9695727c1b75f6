"""Residual networks with spectral normalisation (Miyato et al. 2018) and optional self-attention (Zhang et al. 2018).

Labels, where there are any, choose the gains and shifts of the generator's batch normalisations and enter the
discriminator by projection (Miyato & Koyama 2018, equation 3).
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from aigc_core.config import Config
from aigc_core.errors import AIGCError
from aigc_core.families.gan.generator import Generator
from aigc_core.families.gan.projection import ProjectionDiscriminator

from . import Architecture, ImageShape, architectures


class ResNetConfig(Config):
    """Widths are those of the generator's last and the discriminator's first block; they double with every halving
    of the resolution, up to the `…_max_width`.

    The discriminator has one block more than the generator, and its last `discriminator_plain_blocks` keep the
    resolution. `attention_resolution` is the side of the maps that attend to themselves in both networks (0: none
    do). `generator_spectral_norm` normalises the generator's weights too.

    The papers' configurations, all with `latent_dim` 128:

    - SN-GAN, CIFAR-10: generator widths 256 (max 256), discriminator widths 128 (max 128), 2 plain blocks;
    - SN-GAN, ImageNet-128: both widths 64 (max 1024), 1 plain block;
    - SAGAN, ImageNet-128: the same with `attention_resolution` 32 and `generator_spectral_norm`.
    """

    latent_dim: int = Field(default=128, ge=1, le=4096)
    generator_width: int = Field(default=32, ge=1, le=8192)
    generator_max_width: int = Field(default=128, ge=1, le=8192)
    generator_spectral_norm: bool = False
    discriminator_width: int = Field(default=32, ge=1, le=8192)
    discriminator_max_width: int = Field(default=128, ge=1, le=8192)
    discriminator_plain_blocks: int = Field(default=1, ge=1, le=2)
    attention_resolution: int = Field(default=0, ge=0, le=1024)


def _generator_sides(image_shape: ImageShape) -> list[int]:
    """The side of every generator block's output."""
    return [image_shape.stem_resolution * 2 ** (block + 1) for block in range(image_shape.doublings)]


def _discriminator_sides(config: ResNetConfig, image_shape: ImageShape) -> list[int]:
    """The side of every discriminator block's output."""
    halvings = image_shape.doublings + 1 - config.discriminator_plain_blocks
    return [image_shape.resolution // 2 ** min(block + 1, halvings) for block in range(image_shape.doublings + 1)]


def _check_attention(config: ResNetConfig, image_shape: ImageShape) -> None:
    both = set(_generator_sides(image_shape)) & set(_discriminator_sides(config, image_shape))
    if config.attention_resolution not in {0, *both}:
        sides = ", ".join(str(side) for side in sorted(both))
        raise AIGCError(
            "attention_resolution {attention_resolution} is not the side of maps of both networks; at {resolution} "
            "pixels choose one of {sides}, or 0 for no attention.",
            attention_resolution=config.attention_resolution,
            resolution=image_shape.resolution,
            sides=sides,
        )


Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def _layer(layer: Layer, normalise: bool, gain: float = 1.0) -> Layer:
    """The layer with Glorot-uniform weights and biases zero, its largest singular value fixed at 1 if `normalise`."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if normalise:
        spectral_norm(layer)
    return layer


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gains and shifts are the labels' (Dumoulin et al. 2017, section 2.2)."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=num_classes == 0)
        self.gain = nn.Linear(num_classes, width, bias=False) if num_classes else None
        self.shift = nn.Linear(num_classes, width, bias=False) if num_classes else None
        if self.gain is not None and self.shift is not None:
            nn.init.ones_(self.gain.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        maps = self.norm(maps)
        if self.gain is not None and self.shift is not None:
            maps = maps * self.gain(labels)[:, :, None, None] + self.shift(labels)[:, :, None, None]
        return maps


class SelfAttention(nn.Module):
    """y = x + γ W_v Σᵢ softmaxᵢ(f(xᵢ)ᵀ g(xⱼ)) h(xᵢ), γ starting at 0 (SAGAN, equations 1 to 3)."""

    def __init__(self, width: int, normalise: bool) -> None:
        super().__init__()
        inner = max(1, width // 8)
        self.f = _layer(nn.Conv2d(width, inner, 1, bias=False), normalise)
        self.g = _layer(nn.Conv2d(width, inner, 1, bias=False), normalise)
        self.h = _layer(nn.Conv2d(width, inner, 1, bias=False), normalise)
        self.v = _layer(nn.Conv2d(inner, width, 1, bias=False), normalise)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        f, g, h = (layer(maps).flatten(2) for layer in (self.f, self.g, self.h))
        attention = (f.mT @ g).softmax(dim=1)
        return maps + self.gamma * self.v((h @ attention).unflatten(2, maps.shape[2:]))


class GeneratorBlock(nn.Module):
    """Twice the resolution: normalise, rectify, upsample, convolve, normalise, rectify, convolve; plus a shortcut."""

    def __init__(self, in_width: int, out_width: int, num_classes: int, normalise: bool) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm(in_width, num_classes)
        self.conv1 = _layer(nn.Conv2d(in_width, out_width, 3, padding=1), normalise, math.sqrt(2))
        self.norm2 = ConditionalBatchNorm(out_width, num_classes)
        self.conv2 = _layer(nn.Conv2d(out_width, out_width, 3, padding=1), normalise, math.sqrt(2))
        self.shortcut = _layer(nn.Conv2d(in_width, out_width, 1), normalise)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        hidden = functional.relu(self.norm1(maps, labels))
        hidden = self.conv1(functional.interpolate(hidden, scale_factor=2.0))
        hidden = self.conv2(functional.relu(self.norm2(hidden, labels)))
        # A 1×1 convolution commutes with resampling; the order chosen here and below is the cheaper one.
        return hidden + functional.interpolate(self.shortcut(maps), scale_factor=2.0)


class DiscriminatorBlock(nn.Module):
    """Rectify, convolve, rectify, convolve, and average 2×2 pixels if `downsample`; plus a shortcut.

    The `first` block reads images, so it neither rectifies them nor keeps their width.
    """

    def __init__(self, in_width: int, out_width: int, downsample: bool, first: bool) -> None:
        super().__init__()
        hidden = out_width if first else in_width
        self.downsample, self.first = downsample, first
        self.conv1 = _layer(nn.Conv2d(in_width, hidden, 3, padding=1), True, math.sqrt(2))
        self.conv2 = _layer(nn.Conv2d(hidden, out_width, 3, padding=1), True, math.sqrt(2))
        straight = in_width == out_width and not downsample
        self.shortcut = nn.Identity() if straight else _layer(nn.Conv2d(in_width, out_width, 1), True)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = self.conv1(maps if self.first else functional.relu(maps))
        hidden = self.conv2(functional.relu(hidden))
        if self.downsample:
            hidden, maps = functional.avg_pool2d(hidden, 2), functional.avg_pool2d(maps, 2)
        return hidden + self.shortcut(maps)


class ResNetGenerator(Generator):
    """latents [N, latent_dim], labels [N, num_classes] → images [N, channels, R, R] in [-1, 1]."""

    def __init__(self, config: ResNetConfig, image_shape: ImageShape) -> None:
        _check_attention(config, image_shape)
        super().__init__()
        self.latent_dim = config.latent_dim
        normalise = config.generator_spectral_norm
        sides = _generator_sides(image_shape)
        widths = [
            min(config.generator_max_width, config.generator_width * image_shape.resolution // side)
            for side in [image_shape.stem_resolution, *sides]
        ]
        self.stem_shape = (widths[0], image_shape.stem_resolution, image_shape.stem_resolution)
        self.stem = _layer(nn.Linear(config.latent_dim, math.prod(self.stem_shape)), normalise)
        self.blocks, self.attentions = nn.ModuleList(), nn.ModuleList()
        for side, in_width, out_width in zip(sides, widths, widths[1:]):
            attends = side == config.attention_resolution
            self.blocks.append(GeneratorBlock(in_width, out_width, image_shape.num_classes, normalise))
            self.attentions.append(SelfAttention(out_width, normalise) if attends else nn.Identity())
        self.norm = nn.BatchNorm2d(widths[-1])
        self.to_image = _layer(nn.Conv2d(widths[-1], image_shape.channels, 3, padding=1), normalise)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        maps = self.stem(latents).unflatten(1, self.stem_shape)
        for block, attention in zip(self.blocks, self.attentions):
            maps = attention(block(maps, labels))
        return torch.tanh(self.to_image(functional.relu(self.norm(maps))))

    def first_layers(self) -> list[Tensor]:
        """The stem's weight: [stem features, latent_dim]."""
        return [self.stem.weight]


class ResNetDiscriminator(ProjectionDiscriminator):
    """images [N, channels, R, R] in [-1, 1], labels [N, num_classes] → logits [N]."""

    def __init__(self, config: ResNetConfig, image_shape: ImageShape) -> None:
        _check_attention(config, image_shape)
        super().__init__()
        blocks: list[nn.Module] = []
        in_side, in_width = image_shape.resolution, image_shape.channels
        for index, side in enumerate(_discriminator_sides(config, image_shape)):
            width = min(config.discriminator_max_width, config.discriminator_width * 2**index)
            blocks.append(DiscriminatorBlock(in_width, width, downsample=side < in_side, first=index == 0))
            if side == config.attention_resolution and side < in_side:
                blocks.append(SelfAttention(width, True))
            in_side, in_width = side, width
        self.blocks = nn.Sequential(*blocks)
        self.to_logit = _layer(nn.Linear(in_width, 1), True)
        self.projection = None
        if image_shape.num_classes:
            self.projection = _layer(nn.Linear(image_shape.num_classes, in_width, bias=False), True)

    def features(self, images: Tensor) -> Tensor:
        """What logits are read from, [N, num_features]."""
        return functional.relu(self.blocks(images)).sum(dim=(2, 3))


architectures.register("resnet", Architecture(ResNetConfig, ResNetGenerator, ResNetDiscriminator))
