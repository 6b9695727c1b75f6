"""Whether the short pieces of samples are as frequent as in real texts: MS-Jaccard (Alihosseini et al. 2019,
"Jointly Measuring Diversity and Quality in Text Generation Models", section 3.1), here of characters.

It sees both poor and monotonous samples. For each n it is (1 − d) / (1 + d) with d the total variation distance of the
two distributions of pieces.
"""

from __future__ import annotations

import numpy

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

from .ngrams import grouped_hashes, jackknife, neighbour_groups, sample_groups

LONGEST = 4
"""The longest pieces, in characters; the scores of all lengths from 1 on are averaged geometrically."""


def ngram_overlap(compared: Comparison) -> Estimate | None:
    """The score of samples and as many real texts, evenly spread; None for fewer than two of either."""
    kind = text_kind(compared.modality)
    count = min(len(compared.samples), len(compared.real))
    rows = numpy.linspace(0, len(compared.real) - 1, count).round().astype(int)
    sides = kind.texts(compared.samples[:count]), kind.texts(compared.real[rows])
    if count < 2 or not all(any(len(text) >= LONGEST for text in side) for side in sides):
        return None
    tables = [_Table(*sides, n) for n in range(1, LONGEST + 1)]
    groups = tables[0].groups

    def score(left_out: tuple[int | None, int | None]) -> float:
        return float(numpy.prod([table.score(*left_out) for table in tables]) ** (1 / LONGEST))

    influence_values = jackknife(lambda group: score((group, None)), groups) + jackknife(
        lambda group: score((None, group)), groups
    )
    return Estimate.of_groups(score((None, None)), influence_values).within(0.0, 1.0)


class _Table:
    """How often each kind of piece of n characters occurs on both sides, and in each group of texts."""

    def __init__(self, samples: list[str], real: list[str], n: int) -> None:
        sample_pieces, self.sample_groups = grouped_hashes(samples, n, sample_groups(len(samples)))
        real_pieces, self.real_groups = grouped_hashes(real, n, neighbour_groups(len(real)))
        kinds, numbered = numpy.unique(numpy.concatenate([sample_pieces, real_pieces]), return_inverse=True)
        self.kinds, self.groups = len(kinds), len(set(sample_groups(len(samples)).tolist()))
        self.samples, self.real = numbered[: len(sample_pieces)], numbered[len(sample_pieces) :]
        self.totals = [numpy.bincount(side, minlength=self.kinds) for side in (self.samples, self.real)]

    def score(self, sample_group: int | None, real_group: int | None) -> float:
        """The score with one group of samples, or of real texts, left out."""
        shares = []
        for total, side, groups, group in (
            (self.totals[0], self.samples, self.sample_groups, sample_group),
            (self.totals[1], self.real, self.real_groups, real_group),
        ):
            counts = total if group is None else total - numpy.bincount(side[groups == group], minlength=self.kinds)
            shares.append(counts / max(1, counts.sum()))
        return float(numpy.minimum(*shares).sum() / numpy.maximum(*shares).sum())


stored_by_name["ngram_overlap"] = StoredMetric(
    MetricInfo(
        Sentence("Overlap of n-grams"),
        "higher",
        Sentence("texts"),
        Sentence(
            "How far pieces of 1 to {longest} characters are as frequent as in real texts that were not learnt from "
            "(MS-Jaccard). Few samples lower it. From 0 to 1.",
            longest=LONGEST,
        ),
        highest=1.0,
        meaning=Sentence("How closely samples resemble real texts in the short pieces that they are made of."),
    ),
    "text",
    ngram_overlap,
)
