"""Numbers such as times as vectors that a network reads well."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SLOWEST = 1000.0


def sinusoidal_embedding(values: Tensor, size: int, scale: float = 30.0) -> Tensor:
    """Sines and cosines float32 [N, size] of numbers [N] in about [0, 1] (Vaswani et al. 2017, section 3.5).

    The frequencies fall geometrically from `scale` to about scale / SLOWEST radians; `size` is even. Where a network is
    differentiated by the number, `scale` is about how steep it may be.
    """
    half = size // 2
    steps = torch.arange(half, device=values.device, dtype=torch.float32)
    angles = values.float()[:, None] * scale * torch.exp(-math.log(SLOWEST) / half * steps)
    return torch.cat([angles.cos(), angles.sin()], dim=1)
