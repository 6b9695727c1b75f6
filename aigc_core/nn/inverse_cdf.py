"""Discrete values from standard-normal noise: the inverse CDF of their distribution at Φ(noise).

It makes sampling token by token a deterministic map from noise, like all sampling in this project.
"""

from __future__ import annotations

import torch
from torch import Tensor


def uniform_of(noise: Tensor) -> Tensor:
    """Φ(noise), uniform in (0, 1): float64 on the CPU, where it is exact to the last digits."""
    return torch.special.ndtr(noise.cpu().double())


def choose(logits: Tensor, uniform: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Tokens int64 [N] from logits [N, V] at uniform numbers float64 [N]; computed in float64 on the CPU.

    `temperature` divides the logits; 0 takes the likeliest token. `top_k` keeps that many of the likeliest tokens, 0
    all; `top_p` keeps the smallest set of likeliest ones with at least that probability (Holtzman et al. 2020, equation
    3).
    """
    logits = logits.cpu().double()
    if temperature == 0:
        return logits.argmax(1)
    probabilities = (logits / temperature).softmax(1)
    if 0 < top_k < logits.shape[1] or top_p < 1:
        ordered, order = probabilities.sort(dim=1, descending=True, stable=True)
        keep = ordered.cumsum(1) - ordered < top_p
        if top_k:
            keep[:, top_k:] = False
        probabilities = torch.zeros_like(probabilities).scatter_(1, order, ordered * keep)
    cumulative = probabilities.cumsum(1)
    chosen = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)[:, 0]
    # Rounding may lead beyond the last token with a positive probability.
    last = probabilities.shape[1] - 1 - (probabilities > 0).int().flip(1).argmax(1)
    return torch.minimum(chosen, last)
