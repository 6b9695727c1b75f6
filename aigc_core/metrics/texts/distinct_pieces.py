"""Whether samples repeat themselves and each other: distinct-n (Li et al. 2016, section 5.2), here of characters."""

from __future__ import annotations

import numpy

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

from .ngrams import grouped_hashes, jackknife, sample_groups

PIECE = 8


def distinct_pieces(compared: Comparison) -> Estimate | None:
    """The number of different pieces over the number of all pieces; None without any piece, or for one sample."""
    texts = text_kind(compared.modality).texts(compared.samples)
    pieces, groups = grouped_hashes(texts, PIECE, sample_groups(len(texts)))
    if not len(pieces) or len(texts) < 2:
        return None
    number = int(groups.max()) + 1
    kinds, numbered = numpy.unique(pieces, return_inverse=True)
    lowest, highest = numpy.full(len(kinds), number), numpy.full(len(kinds), -1)
    numpy.minimum.at(lowest, numbered, groups)
    numpy.maximum.at(highest, numbered, groups)
    gone = numpy.bincount(lowest[lowest == highest], minlength=number)  # those that occur in one group alone
    sizes = numpy.bincount(groups, minlength=number)

    def without(group: int) -> float:
        return (len(kinds) - gone[group]) / max(1, len(pieces) - sizes[group])

    return Estimate.of_groups(len(kinds) / len(pieces), jackknife(without, number)).within(0.0, 1.0)


stored_by_name["distinct_pieces"] = StoredMetric(
    MetricInfo(
        Sentence("Distinct pieces"),
        "higher",
        Sentence("texts"),
        Sentence(
            "The share of different ones among all pieces of {piece} characters of the samples (distinct-n). The more "
            "samples, the lower it is. From 0 to 1.",
            piece=PIECE,
        ),
        highest=1.0,
        meaning=Sentence("How varied samples are: low where they repeat themselves or each other."),
    ),
    "text",
    distinct_pieces,
    of_real=True,
)
