"""Doubling and halving feature maps with the low-pass filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64.

It is the interpolation of R3GAN (Huang et al. 2024: [1, 2, 1] around a nearest-neighbour step) and the default
filter of StyleGAN2 (Karras et al. 2020). Borders are padded with zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def _kernel(maps: Tensor) -> Tensor:
    """[C, 1, 4, 4], sum 1 for each channel; computed where the maps are, so that no device waits for a copy."""
    taps = (2 - (torch.arange(4, device=maps.device, dtype=maps.dtype) - 1.5).abs()) / 4
    return torch.outer(taps, taps).expand(maps.shape[1], 1, 4, 4)


class _LowPass(torch.autograd.Function):
    """A depthwise convolution with a constant kernel.

    Autograd's own second derivative of a grouped convolution goes through the groups one by one; the kernel being
    constant, the adjoint alone is needed.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, stride: int, padding: int) -> Tensor:
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(maps, _kernel(maps), stride=stride, padding=padding, groups=maps.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _adjoint(gradients[0], ctx.stride, ctx.padding), None, None


def _adjoint(maps: Tensor, stride: int, padding: int) -> Tensor:
    return functional.conv_transpose2d(maps, _kernel(maps), stride=stride, padding=padding, groups=maps.shape[1])


def low_pass(maps: Tensor, padding: int) -> Tensor:
    """[N, C, H, W] float → [N, C, H + 2·padding − 3, W + 2·padding − 3]: filtered, at the same resolution."""
    return _LowPass.apply(maps, 1, padding)  # type: ignore[return-value]


def downsample(maps: Tensor) -> Tensor:
    """[N, C, 2H, 2W] float → [N, C, H, W]."""
    return _LowPass.apply(maps, 2, 1)  # type: ignore[return-value]


def upsample(maps: Tensor) -> Tensor:
    """[N, C, H, W] float → [N, C, 2H, 2W]; away from the border a constant map stays the same constant."""
    return _adjoint(4 * maps, 2, 1)
