"""Bilinear interpolation that can be differentiated twice.

Written with gathers, since grid_sample has no second derivative, which gradient penalties need.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def interpolate_mirrored(images: Tensor, grid: Tensor) -> Tensor:
    """Images [N, C, H, W] at the points of a grid [N, H', W', 2] as affine_grid makes it, mirrored at the borders."""
    height, width = images.shape[2:]

    def mirrored(position: Tensor, side: int) -> Tensor:
        position = (position + 0.5).remainder(2 * side)
        return torch.minimum(position, 2 * side - position).sub(0.5).clamp(0, side - 1)

    return interpolate(
        images,
        mirrored(((grid[..., 0] + 1) * width - 1) / 2, width),
        mirrored(((grid[..., 1] + 1) * height - 1) / 2, height),
    )


def interpolate_in_black(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Images [N, C, H, W] at any positions [N, H', W'] in pixels, zero beyond the borders' pixels."""
    height, width = images.shape[2:]
    framed = functional.pad(images, [1, 1, 1, 1])
    return interpolate(framed, (x + 1).clamp(0, width + 1), (y + 1).clamp(0, height + 1))


def interpolate(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Images [N, C, H, W] at positions [N, H', W'] in pixels, within [0, W - 1] and [0, H - 1]: [N, C, H', W']."""
    height, width = images.shape[2:]
    left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
    right_share, bottom_share = (x - left).unsqueeze(3), (y - top).unsqueeze(3)
    columns, rows = left.long(), top.long()
    pixels = images.permute(0, 2, 3, 1)
    image = torch.arange(len(images), device=images.device).view(-1, 1, 1)
    above = torch.lerp(pixels[image, rows, columns], pixels[image, rows, columns + 1], right_share)
    below = torch.lerp(pixels[image, rows + 1, columns], pixels[image, rows + 1, columns + 1], right_share)
    return torch.lerp(above, below, bottom_share).permute(0, 3, 1, 2)
