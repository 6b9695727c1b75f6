"""Perceptual path length (Karras et al. 2019, section 4.1): how far images move when latents move a little."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo

EPSILON = 0.05
"""The step, as a share of the way between two latents: a smaller one drowns in the rounding to 8 bits."""
PATHS = 1000
DISCARDED_PERCENT = 1
METRICS = {
    "ppl": MetricInfo(
        Sentence("PPL"),
        "lower",
        Sentence("a generator"),
        Sentence("Measured on {paths:,} paths, whatever the number of samples.", paths=PATHS),
        meaning=Sentence("How far images move when latents move a little: less is smoother."),
    ),
}


def path_ends(starts: Tensor, goals: Tensor) -> Tensor:
    """Latents [N, Z] a step of EPSILON from the starts towards the goals."""
    return torch.lerp(starts, goals, EPSILON)


def path_length(starts: Tensor, ends: Tensor) -> Estimate:
    """The mean of squared distances over EPSILON² between features [N, F] at the two ends of each step.

    The extractor's features take the place of LPIPS, whose weights cannot be had everywhere. As torch-fidelity does,
    the lowest and the highest percent are left out.
    """
    lengths = ((ends - starts).double().square().sum(1) / EPSILON**2).numpy()
    low = numpy.percentile(lengths, DISCARDED_PERCENT, method="lower")
    high = numpy.percentile(lengths, 100 - DISCARDED_PERCENT, method="higher")
    kept = lengths[(low <= lengths) & (lengths <= high)]
    # The error of a winsorised sample is that of its trimmed mean (Tukey & McLaughlin 1963).
    clipped = numpy.clip(lengths, low, high)
    return Estimate.of_error(float(kept.mean()), float(clipped.std(ddof=1) / len(clipped) ** 0.5))
