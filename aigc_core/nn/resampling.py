"""Doubling and halving feature maps with the low-pass filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64.

It is the interpolation of R3GAN (Huang et al. 2024: [1, 2, 1] around a nearest-neighbour step) and the default
filter of StyleGAN2 (Karras et al. 2020). Borders are padded with zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .convolution import convolve


def _kernel(maps: Tensor) -> Tensor:
    """[C, 1, 4, 4], sum 1 for each channel; computed where the maps are, so that no device waits for a copy."""
    taps = (2 - (torch.arange(4, device=maps.device, dtype=maps.dtype) - 1.5).abs()) / 4
    return torch.outer(taps, taps).expand(maps.shape[1], 1, 4, 4)


def low_pass(maps: Tensor, padding: int) -> Tensor:
    """[N, C, H, W] float → [N, C, H + 2·padding − 3, W + 2·padding − 3]: filtered, at the same resolution."""
    return convolve(maps, _kernel(maps), padding=padding, groups=maps.shape[1])


def downsample(maps: Tensor) -> Tensor:
    """[N, C, 2H, 2W] float → [N, C, H, W]."""
    return convolve(maps, _kernel(maps), stride=2, padding=1, groups=maps.shape[1])


def upsample(maps: Tensor) -> Tensor:
    """[N, C, H, W] float → [N, C, 2H, 2W]; away from the border a constant map stays the same constant."""
    return functional.conv_transpose2d(4 * maps, _kernel(maps), stride=2, padding=1, groups=maps.shape[1])
