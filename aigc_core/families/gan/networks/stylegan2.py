"""StyleGAN2 (Karras et al. 2020): latents are mapped to styles, and styles scale the weights of convolutions.

Of the paper's configuration F it has weight demodulation (section 2.2), the skip generator and the residual
discriminator (section 4.1), equalised learning rates, noise, style mixing (Karras et al. 2019, section 3.1) and
minibatch standard deviation (Karras et al. 2018, section 3); path length regularisation is a loss and not here.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.config import Config
from aigc_core.families.gan.discriminator import BatchCoupled
from aigc_core.families.gan.generator import StyleGenerator
from aigc_core.nn.resampling import downsample, low_pass, upsample

from . import Architecture, ImageShape, architectures


class StyleConfig(Config):
    """Widths are the channels at the image's resolution; they double with every halving, up to `max_width`.

    `style_mixing` is the probability that, in training, the styles of a picture change to another latent's at
    some layer. The mapping network learns at `mapping_lr_multiplier` times the rate of the others.

    The paper's FFHQ-1024 networks have `latent_dim`, `style_dim` and `max_width` 512, 8 `mapping_layers`, both
    widths 32 and `style_mixing` 0.9.
    """

    latent_dim: int = Field(default=128, ge=1, le=4096)
    style_dim: int = Field(default=128, ge=1, le=4096)
    mapping_layers: int = Field(default=2, ge=1, le=32)
    generator_width: int = Field(default=32, ge=1, le=8192)
    discriminator_width: int = Field(default=32, ge=1, le=8192)
    max_width: int = Field(default=128, ge=1, le=8192)
    style_mixing: float = Field(default=0.9, ge=0, le=1)
    mapping_lr_multiplier: float = Field(default=0.01, gt=0, le=1)


MINIBATCH_STD_GROUP = 4


def _widths(width: int, config: StyleConfig, image_shape: ImageShape) -> list[int]:
    """Channels from the lowest resolution to the image's."""
    return [min(config.max_width, width * 2**level) for level in reversed(range(image_shape.doublings + 1))]


def _activate(values: Tensor) -> Tensor:
    """Leaky rectifier that keeps the second moment of a normal input about 1."""
    return functional.leaky_relu(values, 0.2) * math.sqrt(2)


def _normalise(vectors: Tensor) -> Tensor:
    """[N, D] → [N, D] with mean square 1 in every row."""
    return vectors * torch.rsqrt(vectors.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualisedLinear(nn.Module):
    """A linear map with unit-variance parameters that are scaled when used (Karras et al. 2018, section 4.1).

    Adam then moves all weights at one relative rate, here times `lr_multiplier`.
    """

    def __init__(self, in_features: int, out_features: int, bias: float = 0.0, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.parameter = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias / lr_multiplier))
        self.scale = lr_multiplier / math.sqrt(in_features)
        self.lr_multiplier = lr_multiplier

    @property
    def weight(self) -> Tensor:
        """The weight in use: [out_features, in_features]."""
        return self.parameter * self.scale

    def forward(self, features: Tensor) -> Tensor:
        return functional.linear(features, self.weight, self.bias * self.lr_multiplier)


class EqualisedConvolution(nn.Module):
    """A convolution with unit-variance parameters that are scaled when used; `downsample` blurs and takes every 2nd."""

    def __init__(self, in_width: int, out_width: int, kernel: int, bias: bool = True, downsample: bool = False) -> None:
        super().__init__()
        self.parameter = nn.Parameter(torch.randn(out_width, in_width, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_width)) if bias else None
        self.scale = 1 / math.sqrt(in_width * kernel**2)
        self.downsample = downsample

    def forward(self, maps: Tensor) -> Tensor:
        weight = self.parameter * self.scale
        if not self.downsample:
            return functional.conv2d(maps, weight, self.bias, padding=weight.shape[-1] // 2)
        if weight.shape[-1] == 1:
            return functional.conv2d(downsample(maps), weight, self.bias)
        return functional.conv2d(low_pass(maps, padding=2), weight, self.bias, stride=2)


class ModulatedConvolution(nn.Module):
    """A convolution whose weights the style scales: w'ᵢⱼₖ = sᵢ wᵢⱼₖ / √(Σᵢₖ (sᵢ wᵢⱼₖ)² + ε) (equations 1 and 3).

    Computed as a scaling of the input channels, one convolution for the whole batch, and a scaling of the output
    channels, which is the same. With `upsample` the output has twice the resolution.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        kernel: int,
        style_dim: int,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style_dim, in_width, bias=1.0)
        self.parameter = nn.Parameter(torch.randn(out_width, in_width, kernel, kernel))
        self.scale = 1 / math.sqrt(in_width * kernel**2)
        self.demodulate, self.upsample = demodulate, upsample

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        scales = self.affine(style)
        weight = self.parameter * self.scale
        maps = maps * scales[:, :, None, None]
        if self.upsample:
            maps = functional.conv_transpose2d(maps, weight.transpose(0, 1), stride=2)
            maps = 4 * low_pass(maps, padding=1)
        else:
            maps = functional.conv2d(maps, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            energy = scales.square() @ weight.square().sum(dim=(2, 3)).T
            maps = maps * torch.rsqrt(energy + 1e-8)[:, :, None, None]
        return maps


class StyledLayer(nn.Module):
    """Modulated convolution, noise, bias, activation.

    The noise is drawn anew in training; in evaluation it is the buffer `noise`, the same for every image.
    """

    noise: Tensor

    def __init__(self, in_width: int, out_width: int, side: int, style_dim: int, upsample: bool) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(in_width, out_width, 3, style_dim, upsample=upsample)
        self.register_buffer("noise", torch.randn(side, side))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out_width))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        maps = self.convolution(maps, style)
        noise = torch.randn_like(maps[:, :1]) if self.training else self.noise
        return _activate(maps + self.noise_strength * noise + self.bias[:, None, None])


class ToImage(nn.Module):
    """The style's linear view of the feature maps as an image: a modulated 1×1 convolution, not demodulated."""

    def __init__(self, in_width: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(in_width, channels, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        return self.convolution(maps, style) + self.bias[:, None, None]


class Mapping(nn.Module):
    """latents [N, latent_dim], labels [N, num_classes] → styles [N, style_dim]."""

    def __init__(self, config: StyleConfig, num_classes: int) -> None:
        super().__init__()
        self.embedding = EqualisedLinear(num_classes, config.latent_dim) if num_classes else None
        in_features = config.latent_dim * (2 if num_classes else 1)
        sizes = [in_features] + [config.style_dim] * config.mapping_layers
        self.layers = nn.ModuleList(
            EqualisedLinear(size, next_size, lr_multiplier=config.mapping_lr_multiplier)
            for size, next_size in zip(sizes, sizes[1:])
        )

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        features = _normalise(latents)
        if self.embedding is not None:
            features = torch.cat([features, _normalise(self.embedding(labels))], dim=1)
        for layer in self.layers:
            features = _activate(layer(features))
        return features


class StyleGAN2Generator(StyleGenerator):
    """latents [N, latent_dim], labels [N, num_classes] → images [N, channels, R, R], about in [-1, 1].

    `layers` read the styles 0, 1, 2, …; the image taken after a layer reads the style of the layer that follows
    it, the last one `num_layers` - 1.
    """

    def __init__(self, config: StyleConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.style_mixing = config.style_mixing
        self.num_layers = 2 * image_shape.doublings + 2
        widths = _widths(config.generator_width, config, image_shape)
        side = image_shape.stem_resolution
        self.mapping_network = Mapping(config, image_shape.num_classes)
        self.register_buffer("style_mean", torch.zeros(config.style_dim))
        self.constant = nn.Parameter(torch.randn(widths[0], side, side))
        self.layers, self.to_image = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            if level > 0:
                side *= 2
                self.layers.append(StyledLayer(widths[level - 1], width, side, config.style_dim, upsample=True))
            self.layers.append(StyledLayer(width, width, side, config.style_dim, upsample=False))
            self.to_image.append(ToImage(width, image_shape.channels, config.style_dim))

    def synthesis(self, styles: Tensor) -> Tensor:
        """styles [N, num_layers, style_dim] → images [N, channels, R, R]."""
        maps = self.constant.expand(len(styles), -1, -1, -1)
        maps = self.layers[0](maps, styles[:, 0])
        images = self.to_image[0](maps, styles[:, 1])
        for level in range(1, len(self.to_image)):
            maps = self.layers[2 * level - 1](maps, styles[:, 2 * level - 1])
            maps = self.layers[2 * level](maps, styles[:, 2 * level])
            images = upsample(images) + self.to_image[level](maps, styles[:, 2 * level + 1])
        return images

    def first_layers(self) -> list[Tensor]:
        """For every layer, the affine map that reads its style: `num_layers` weights [width, style_dim]."""
        readers = [each for each in [*self.layers, self.to_image[-1]] if isinstance(each, StyledLayer | ToImage)]
        return [reader.convolution.affine.weight for reader in readers]


class DiscriminatorBlock(nn.Module):
    """Two 3×3 convolutions, the second halving the resolution, and a halving 1×1 shortcut, at equal variance."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.convolution1 = EqualisedConvolution(in_width, in_width, 3)
        self.convolution2 = EqualisedConvolution(in_width, out_width, 3, downsample=True)
        self.shortcut = EqualisedConvolution(in_width, out_width, 1, bias=False, downsample=True)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = _activate(self.convolution2(_activate(self.convolution1(maps))))
        return (hidden + self.shortcut(maps)) * math.sqrt(0.5)


def minibatch_std(maps: Tensor, labels: Tensor) -> Tensor:
    """[N, C, H, W], labels [N, num_classes] → [N, C + 1, H, W]: appends the mean standard deviation within the image's
    group.

    Groups have 4 members, or the largest smaller number that divides N. Image n is in one with the n ± N/4th; where
    there are classes, with its neighbours in the order of classes, so that a class whose images are all alike shows.
    """
    count = len(maps)
    members = next(size for size in range(MINIBATCH_STD_GROUP, 0, -1) if count % size == 0)
    rows = torch.arange(count, device=maps.device)
    order = labels.argmax(1).argsort(stable=True) if labels.shape[1] else rows.view(members, -1).T.flatten()
    groups = maps[order].unflatten(0, (-1, members))
    deviations = torch.sqrt(groups.var(dim=1, correction=0) + 1e-8).mean(dim=(1, 2, 3)).repeat_interleave(members)
    return torch.cat([maps, deviations[order.argsort()][:, None, None, None].expand_as(maps[:, :1])], dim=1)


class StyleGAN2Discriminator(BatchCoupled, nn.Module):
    """images [N, channels, R, R] in [-1, 1], labels [N, num_classes] → logits [N].

    With classes there is a logit for each, and the labels choose (or weigh) them.
    """

    def __init__(self, config: StyleConfig, image_shape: ImageShape) -> None:
        super().__init__()
        widths = _widths(config.discriminator_width, config, image_shape)[::-1]
        self.from_image = EqualisedConvolution(image_shape.channels, widths[0], 1)
        self.blocks = nn.Sequential(*map(DiscriminatorBlock, widths, widths[1:]))
        self.convolution = EqualisedConvolution(widths[-1] + 1, widths[-1], 3)
        self.dense = EqualisedLinear(widths[-1] * image_shape.stem_resolution**2, widths[-1])
        self.to_logits = EqualisedLinear(widths[-1], max(1, image_shape.num_classes))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        maps = self.blocks(_activate(self.from_image(images)))
        maps = _activate(self.convolution(minibatch_std(maps, labels)))
        logits = self.to_logits(_activate(self.dense(maps.flatten(1))))
        return (logits * labels).sum(1) if labels.shape[1] else logits.squeeze(1)


architectures.register("style", Architecture(StyleConfig, StyleGAN2Generator, StyleGAN2Discriminator))
