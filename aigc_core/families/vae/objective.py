"""The terms of the evidence lower bound, as plain functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEVELS = 256
HALF_STEP = 1 / (LEVELS - 1)
"""Half the distance between two neighbouring 8-bit values in model space [-1, 1]."""


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)) in nats, [N], of means and log variances [N, Z]
    (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def gaussian_error(images: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """−log N(images; mean, σ²) in nats, [N], summed over the values of [N, …] (Rybkin et al. 2021, equation 3)."""
    squared = (images - mean).square().flatten(1) * (-2 * log_sigma).exp()
    return (0.5 * squared + log_sigma + 0.5 * math.log(2 * math.pi)).sum(1)


def discretised_log_likelihood(images: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """log P(images) in nats, [N], of 8-bit values in [-1, 1]: a Gaussian's mass within half a step of each.

    The outermost values take all mass beyond them, so that the probabilities of the 256 values sum to one (as Ho et al.
    2020, equation 13). In float64 and on the CPU, as the masses far from the mean are small.
    """
    images, mean, sigma = images.cpu().double(), mean.cpu().double(), log_sigma.cpu().double().exp()
    above = torch.where(images > 1 - HALF_STEP, math.inf, (images + HALF_STEP - mean) / sigma)
    below = torch.where(images < -1 + HALF_STEP, -math.inf, (images - HALF_STEP - mean) / sigma)
    # Φ(a) − Φ(b) = Φ(−b) − Φ(−a): far above the mean the second form keeps what rounding would lose.
    flipped = below > 0
    upper, lower = torch.where(flipped, -below, above), torch.where(flipped, -above, below)
    log_upper, log_lower = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    return (log_upper + torch.log1p(-(log_lower - log_upper).exp().clamp(max=1 - 1e-16))).flatten(1).sum(1)
