"""How many of the pairs of neighbouring characters in the samples stand in the real texts, too."""

from __future__ import annotations

import numpy

from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import Comparison, StoredMetric

from .modality import END, ToyText


def bigram_overlap(compared: Comparison) -> Estimate:
    """The mean share, over samples, of each one's pairs that occur in real ones."""
    known = {pair for row in compared.real.tolist() for pair in _pairs(row)}
    pairs = map(_pairs, compared.samples.tolist())
    shares = numpy.array([numpy.mean([pair in known for pair in each] or [True]) for each in pairs])
    return Estimate.of_groups(float(shares.mean()), group_influence_values(shares - shares.mean())).within(0.0, 1.0)


def _pairs(row: list[int]) -> list[tuple[int, int]]:
    return [pair for pair in zip(row, row[1:]) if END not in pair]


BIGRAM_OVERLAP = StoredMetric(
    MetricInfo(
        "Bigram overlap",
        "higher",
        "texts",
        "Unbiased for any number of samples. From 0 to 1.",
        highest=1.0,
        meaning="How many of the pairs of neighbouring characters of a sample occur in real texts.",
    ),
    ToyText.name,
    bigram_overlap,
)
