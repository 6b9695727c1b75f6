"""A small U-Net (Ronneberger et al. 2015) of residual blocks that the condition modulates (Dhariwal & Nichol 2021)."""

from __future__ import annotations

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.flow.embedding import ConditionEmbedding

from . import Architecture, FieldConfig, FieldShape, VectorField, architectures

CHANNELS_A_GROUP = 16


class UNetConfig(FieldConfig):
    """`widths`: channels at each resolution, from the highest; each is half the one before. The highest is the image's
    divided by `patch`, whose pixels become channels. `blocks` residual blocks stand at each on either way, and the
    lowest attends to itself with `heads` heads (0: it does not)."""

    widths: tuple[int, ...] = (64, 128)
    patch: int = Field(default=2, ge=1, le=16)
    blocks: int = Field(default=1, ge=1, le=8)
    heads: int = Field(default=4, ge=0, le=64)

    @field_validator("widths")
    @classmethod
    def _whole_groups(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not 1 <= len(widths) <= 8 or any(width % CHANNELS_A_GROUP or not 0 < width <= 4096 for width in widths):
            raise ValueError(
                Sentence("widths must be 1 to 8 multiples of {channels}, at most 4,096", channels=CHANNELS_A_GROUP)
            )
        return widths


class UNet(VectorField):
    """A vector field that is computed from coarse to fine, with what was read on the way down at hand."""

    def __init__(self, config: UNetConfig, shape: FieldShape) -> None:
        super().__init__()
        smallest = config.patch * 2 ** (len(config.widths) - 1)
        if shape.resolution % smallest:
            raise AIGCError(
                "Images of {resolution} pixels cannot be divided by {smallest}; choose fewer widths or another patch.",
                resolution=shape.resolution,
                smallest=smallest,
            )
        widths, embedded = config.widths, 2 * config.widths[0]
        self.patch = config.patch
        self.condition = ConditionEmbedding(shape.num_times, shape.num_classes, embedded)
        self.stem = nn.Conv2d(shape.channels, widths[0], config.patch + 2, config.patch, 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for width, wider in zip(widths, widths[1:]):
            self.down.append(nn.ModuleList(ResidualBlock(width, width, embedded) for _ in range(config.blocks)))
            self.shrink.append(nn.Conv2d(width, wider, 3, 2, 1))
            self.grow.append(nn.Conv2d(wider, width, 1))
            self.up.append(
                nn.ModuleList(ResidualBlock(width * (2 - (k > 0)), width, embedded) for k in range(config.blocks))
            )
        self.before = nn.ModuleList(ResidualBlock(widths[-1], widths[-1], embedded) for _ in range(config.blocks))
        self.attention = MapAttention(widths[-1], config.heads) if config.heads else None
        self.after = nn.ModuleList(ResidualBlock(widths[-1], widths[-1], embedded) for _ in range(config.blocks))
        self.norm = _norm(widths[0])
        self.to_pixels = nn.Conv2d(widths[0], shape.channels * config.patch**2, 3, 1, 1)
        nn.init.zeros_(self.to_pixels.weight)
        nn.init.zeros_(self.to_pixels.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, maps: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        condition = functional.silu(self.condition(times, classes))
        features = self.stem(maps.contiguous(memory_format=torch.channels_last))
        kept = []
        for blocks, shrink in zip(self.down, self.shrink):
            features = _through(blocks, features, condition)
            kept.append(features)
            features = shrink(features)
        features = _through(self.before, features, condition)
        if self.attention is not None:
            features = self.attention(features)
        features = _through(self.after, features, condition)
        for blocks, grow, earlier in zip(reversed(self.up), reversed(self.grow), reversed(kept)):
            grown = functional.interpolate(grow(features), scale_factor=2.0, mode="nearest")
            features = _through(blocks, torch.cat([grown, earlier], dim=1), condition)
        return functional.pixel_shuffle(self.to_pixels(functional.silu(self.norm(features))), self.patch)

    def input_weight(self) -> Tensor:
        return self.stem.weight

    @property
    def input_stride(self) -> int:
        return self.patch


class ResidualBlock(nn.Module):
    """maps [N, in, H, W], condition [N, embedded] → maps [N, out, H, W]; the condition scales and shifts the second
    normalisation."""

    def __init__(self, width: int, width_after: int, embedded: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = _norm(width), _norm(width_after)
        self.first = nn.Conv2d(width, width_after, 3, 1, 1)
        self.second = nn.Conv2d(width_after, width_after, 3, 1, 1)
        self.modulation = nn.Linear(embedded, 2 * width_after)
        self.shortcut = nn.Conv2d(width, width_after, 1) if width != width_after else nn.Identity()
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        features = self.first(functional.silu(self.first_norm(maps)))
        features = self.second_norm(features) * (1 + scale) + shift
        return self.shortcut(maps) + self.second(functional.silu(features))


class MapAttention(nn.Module):
    """Positions of maps [N, width, H, W] attend to one another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise AIGCError("The lowest width must be a multiple of the number of heads.")
        self.heads = heads
        self.norm = _norm(width)
        self.to_heads, self.from_heads = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.from_heads.weight)
        nn.init.zeros_(self.from_heads.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, maps: Tensor) -> Tensor:
        heads = self.to_heads(self.norm(maps)).flatten(2).unflatten(1, (3, self.heads, -1))
        queries, keys, values = heads.permute(1, 0, 2, 4, 3)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        return maps + self.from_heads(attended.transpose(2, 3).flatten(1, 2).unflatten(2, maps.shape[2:]))


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(width // CHANNELS_A_GROUP, width)


def _through(blocks: nn.Module, features: Tensor, condition: Tensor) -> Tensor:
    """What a list of blocks makes of features, one after another."""
    for block in blocks.children():
        features = block(features, condition)
    return features


architectures.register("unet", Architecture(UNetConfig, UNet))
