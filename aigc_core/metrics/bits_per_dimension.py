"""How many bits per value the model needs to encode real samples (Theis et al. 2016, section 3.1)."""

from __future__ import annotations

import numpy
from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo, group_influence_values

MAX_SAMPLES = 2000
"""The most real samples that are encoded, spread over the data."""
METRICS = {
    "bits_per_dimension": MetricInfo(
        Sentence("Bits per dimension"),
        "lower",
        Sentence("a model with a likelihood"),
        Sentence(
            "Of the real samples, {max_samples:,} at most; of a VAE an upper bound. A model may be good at this and "
            "draw poor samples.",
            max_samples=MAX_SAMPLES,
        ),
        meaning=Sentence("How many bits the model needs for each value of a real sample."),
    ),
}


def bits_per_dimension(bits: Tensor | None) -> Estimate | None:
    """The mean of the bits per dimension float [N] of real samples; None if there are fewer than two."""
    if bits is None or len(bits) < 2:
        return None
    values = bits.double().numpy()
    return Estimate.of_groups(float(values.mean()), group_influence_values(numpy.asarray(values - values.mean())))
