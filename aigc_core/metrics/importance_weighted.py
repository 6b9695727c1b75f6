"""The importance-weighted bound, which is tighter than the evidence lower bound (Burda et al. 2016)."""

from __future__ import annotations

import math

from torch import Tensor

from aigc_core.errors import Sentence

from .bits_per_dimension import MAX_SAMPLES
from .estimate import MetricInfo

LATENTS = 64
"""How many latents are drawn for each real sample."""
METRICS = {
    "importance_weighted_bits": MetricInfo(
        Sentence("Bits per dimension, importance-weighted"),
        "lower",
        Sentence("a VAE; asked for by name"),
        Sentence(
            "Of the real samples, {max_samples:,} at most; still an upper bound, and the closer the more latents.",
            max_samples=MAX_SAMPLES,
        ),
        meaning=Sentence(
            "How many bits the model needs for each value of a real sample, by {latents} latents a sample rather than "
            "one.",
            latents=LATENTS,
        ),
        on_request=True,
    ),
}


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """log (1/K · Σₖ exp(log_weights[k])), a lower bound of log p: float [K, N] of K latents to [N] (equation 8)."""
    return log_weights.logsumexp(0) - math.log(len(log_weights))
