"""Convolutions that halve the resolution level by level, and their counterparts that double it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Refinement(nn.Module):
    """maps [N, C, H, W] → the same shape: a residual block of two convolutions (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.layers(maps)


def downsampling(channels: Sequence[int], refinements: int) -> nn.Sequential:
    """Maps [N, channels[0], H, W] → [N, channels[-1], H / 2ⁿ, W / 2ⁿ], n = len(channels) − 1, with
    `refinements` residual blocks after each halving."""
    layers: list[nn.Module] = []
    for width, next_width in zip(channels, channels[1:]):
        layers += [nn.SiLU()] if layers else []
        layers.append(nn.Conv2d(width, next_width, 4, 2, 1))
        layers += [Refinement(next_width) for _ in range(refinements)]
    return nn.Sequential(*layers, nn.SiLU())


def upsampling(channels: Sequence[int], refinements: int) -> nn.Sequential:
    """Maps [N, channels[0], H, W] → [N, channels[-1], 2ⁿ H, 2ⁿ W], n = len(channels) − 1, with
    `refinements` residual blocks before each doubling."""
    layers: list[nn.Module] = []
    for width, next_width in zip(channels, channels[1:]):
        layers += [Refinement(width) for _ in range(refinements)]
        layers += [nn.SiLU(), nn.ConvTranspose2d(width, next_width, 4, 2, 1)]
    return nn.Sequential(*layers)
