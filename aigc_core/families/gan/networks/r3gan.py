"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"): residual blocks of grouped convolutions.

No normalisation and no tricks: convolutions without bias, biased leaky rectifiers, an initialisation after Fixup
(Zhang et al. 2019), interpolating resamplers, and a learnt basis at the lowest resolution. Its stability comes
from the relativistic loss with R1 and R2 penalties it is trained with.

Parameters are created in the order of the authors' code (github.com/brownvc/R3GAN), with the same shapes, so
that published weights can be copied in one after another.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.config import Config
from aigc_core.errors import Sentence
from aigc_core.families.gan.generator import Generator
from aigc_core.nn.convolution import Convolution, convolve
from aigc_core.nn.resampling import downsample, upsample

from . import Architecture, ImageShape, architectures


class R3GANConfig(Config):
    """Widths are the channels at the image's resolution; they double with every halving, up to `max_width`.

    A residual block widens its input by `expansion` and convolves it in groups of `group_width` channels. Labels
    are embedded in `latent_dim` dimensions in the generator and in the widest width in the discriminator.

    The paper's configurations, all with `latent_dim` 64, `blocks` 2, `expansion` 2:

    - CIFAR-10: `generator_width`, `discriminator_width` and `max_width` 768, `group_width` 16;
    - FFHQ-64: both widths 384, `max_width` 768, `group_width` 16;
    - FFHQ-256: both widths 96, `max_width` 768, `group_width` 16;
    - ImageNet-32 and -64: all three widths 1536, `group_width` 32.
    """

    latent_dim: int = Field(default=64, ge=1, le=4096)
    generator_width: int = Field(default=32, ge=1, le=8192)
    discriminator_width: int = Field(default=32, ge=1, le=8192)
    max_width: int = Field(default=128, ge=1, le=8192)
    blocks: int = Field(default=1, ge=1, le=32)
    expansion: int = Field(default=2, ge=1, le=16)
    group_width: int = Field(default=16, ge=1, le=8192)

    @model_validator(mode="after")
    def _whole_groups(self) -> R3GANConfig:
        for width in (self.generator_width, self.discriminator_width, self.max_width):
            if width * self.expansion % self.group_width:
                raise ValueError(
                    Sentence(
                        "expansion times every width must be a multiple of group_width, and {expansion} × {width} is "
                        "not a multiple of {group_width}",
                        expansion=self.expansion,
                        width=width,
                        group_width=self.group_width,
                    )
                )
        return self


ACTIVATION_GAIN = math.sqrt(2 / (1 + 0.2**2))
"""What keeps the variance through a leaky rectifier of slope 0.2 (He et al. 2015)."""


def _widths(width: int, config: R3GANConfig, image_shape: ImageShape) -> list[int]:
    """Channels from the lowest resolution to the image's."""
    return [min(config.max_width, width * 2**level) for level in reversed(range(image_shape.doublings + 1))]


def _initialise(weight: Tensor, gain: float = 1.0) -> None:
    """Normal with standard deviation gain / √fan-in (He et al. 2015)."""
    nn.init.normal_(weight, std=gain / math.sqrt(weight[0].numel()))


def _convolution(
    in_channels: int, out_channels: int, kernel: int = 1, groups: int = 1, gain: float = 1.0
) -> Convolution:
    layer = Convolution(in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=False)
    _initialise(layer.weight, gain)
    return layer


class ResidualBlock(nn.Module):
    """x + W₃ f(W₂ f(W₁ x + b₁) + b₂) with f the leaky rectifier and W₂ grouped (section 3.2 of the paper).

    As in Fixup, W₃ starts at zero and the others are scaled by L^(−1/4) for L blocks, so that the start is the
    identity and a step changes the network's output by as much whatever its depth.
    """

    def __init__(self, width: int, config: R3GANConfig, total_blocks: int) -> None:
        super().__init__()
        inner = width * config.expansion
        gain = ACTIVATION_GAIN * total_blocks ** (-1 / 4)
        self.expand = _convolution(width, inner, gain=gain)
        self.mix = _convolution(inner, inner, kernel=3, groups=inner // config.group_width, gain=gain)
        self.project = _convolution(inner, width, gain=0.0)
        self.biases = nn.ParameterList([torch.zeros(inner), torch.zeros(inner)])

    def forward(self, maps: Tensor) -> Tensor:
        hidden = convolve(maps, self.expand.weight, self.biases[0])
        hidden = functional.leaky_relu(hidden, 0.2, inplace=True)
        hidden = convolve(hidden, self.mix.weight, self.biases[1], padding=1, groups=self.mix.groups)
        hidden = functional.leaky_relu(hidden, 0.2, inplace=True)
        return maps + self.project(hidden)


class GenerativeBasis(nn.Module):
    """[N, in_features] → [N, channels, side, side]: learnt maps, each scaled by a linear function of the input."""

    def __init__(self, in_features: int, channels: int, side: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(channels, side, side))
        self.scale = nn.Linear(in_features, channels, bias=False)
        _initialise(self.scale.weight)

    def forward(self, latents: Tensor) -> Tensor:
        maps = self.maps * self.scale(latents)[:, :, None, None]
        return maps.contiguous(memory_format=torch.channels_last)


class DiscriminativeBasis(nn.Module):
    """[N, channels, side, side] → [N, out_features]: the inner product of each channel with a learnt map, mixed."""

    def __init__(self, channels: int, out_features: int, side: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(channels, channels, side, groups=channels, bias=False)
        self.mix = nn.Linear(channels, out_features, bias=False)
        _initialise(self.maps.weight)
        _initialise(self.mix.weight)

    def forward(self, maps: Tensor) -> Tensor:
        # The depthwise convolution, whose output is one pixel, as a product and a sum: autograd differentiates
        # those twice without going through the channels one by one. With channels last, as maps lie in memory, so
        # that gradients lie alike.
        weight = self.maps.weight.permute(1, 2, 3, 0).contiguous()
        return self.mix((maps.permute(0, 2, 3, 1) * weight).sum(dim=(1, 2)))


class Upsample(nn.Module):
    """Change of width where there is one, then twice the resolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = nn.Identity() if in_channels == out_channels else _convolution(in_channels, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        return upsample(self.project(maps))


class Downsample(nn.Module):
    """Half the resolution, then a change of width where there is one."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = nn.Identity() if in_channels == out_channels else _convolution(in_channels, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        return self.project(downsample(maps))


class R3GANGenerator(Generator):
    """latents [N, latent_dim], labels [N, num_classes] → images [N, channels, R, R], about in [-1, 1]."""

    def __init__(self, config: R3GANConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        widths = _widths(config.generator_width, config, image_shape)
        total_blocks = config.blocks * len(widths)
        in_features = config.latent_dim * (2 if image_shape.num_classes else 1)
        layers: list[nn.Module] = []
        for level, width in enumerate(widths):
            if level == 0:
                layers.append(GenerativeBasis(in_features, width, image_shape.stem_resolution))
            else:
                layers.append(Upsample(widths[level - 1], width))
            layers += [ResidualBlock(width, config, total_blocks) for _ in range(config.blocks)]
        self.layers = nn.Sequential(*layers)
        self.to_image = _convolution(widths[-1], image_shape.channels)
        self.embedding = None
        if image_shape.num_classes:
            self.embedding = nn.Linear(image_shape.num_classes, config.latent_dim, bias=False)
            _initialise(self.embedding.weight)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.embedding is not None:
            latents = torch.cat([latents, self.embedding(labels)], dim=1)
        return self.to_image(self.layers(latents))

    def first_layers(self) -> list[Tensor]:
        """The weight with which the basis reads the latent: [channels of the basis, latent_dim]."""
        basis = self.layers[0]
        assert isinstance(basis, GenerativeBasis)
        return [basis.scale.weight[:, : self.latent_dim]]


class R3GANDiscriminator(nn.Module):
    """images [N, channels, R, R] in [-1, 1], labels [N, num_classes] → logits [N]."""

    def __init__(self, config: R3GANConfig, image_shape: ImageShape) -> None:
        super().__init__()
        widths = _widths(config.discriminator_width, config, image_shape)[::-1]
        total_blocks = config.blocks * len(widths)
        out_features = widths[-1] if image_shape.num_classes else 1
        self.from_image = _convolution(image_shape.channels, widths[0])
        layers: list[nn.Module] = []
        for level, width in enumerate(widths):
            layers += [ResidualBlock(width, config, total_blocks) for _ in range(config.blocks)]
            if level + 1 < len(widths):
                layers.append(Downsample(width, widths[level + 1]))
            else:
                layers.append(DiscriminativeBasis(width, out_features, image_shape.stem_resolution))
        self.layers = nn.Sequential(*layers)
        self.embedding = None
        if image_shape.num_classes:
            self.embedding = nn.Linear(image_shape.num_classes, out_features, bias=False)
            _initialise(self.embedding.weight, gain=1 / math.sqrt(out_features))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.layers(self.from_image(images))
        if self.embedding is not None:
            features = features * self.embedding(labels)
        return features.sum(1)


architectures.register("r3gan", Architecture(R3GANConfig, R3GANGenerator, R3GANDiscriminator))
