"""Waves for magnitudes without phases: the fast Griffin–Lim algorithm (Perraudin et al. 2013, algorithm 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from aigc_core.rng import seeded_generator

from .spectrogram import inverse_transform, transform

ITERATIONS = 32
MOMENTUM = 0.99
PHASE_SEED = 6


def griffin_lim(
    magnitudes: Tensor, phases: Tensor | None = None, iterations: int = ITERATIONS, momentum: float = MOMENTUM
) -> Tensor:
    """Magnitudes float32 [N, F, T] → waves float32 [N, S].

    `phases`: where to start, in radians, float32 [F, T] or [N, F, T]; by default the same random ones for every sound.
    """
    if phases is None:
        phases = starting_phases(*magnitudes.shape[1:])
    directions = torch.polar(torch.ones_like(phases), phases).to(magnitudes.device)
    before = torch.zeros_like(directions)
    for _ in range(iterations):
        rebuilt = transform(inverse_transform(magnitudes * directions))
        accelerated = rebuilt - momentum / (1 + momentum) * before
        directions, before = accelerated / accelerated.abs().clamp(min=1e-12), rebuilt
    return inverse_transform(magnitudes * directions)


def starting_phases(frequencies: int, frames: int) -> Tensor:
    """Phases uniform in [0, 2π), float32 [frequencies, frames]; the same at every call."""
    return 2 * torch.pi * torch.rand(frequencies, frames, generator=seeded_generator(PHASE_SEED))
