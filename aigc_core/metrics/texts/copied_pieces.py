"""How much of the samples is copied from the training texts word for word."""

from __future__ import annotations

import numpy

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

from .ngrams import ngram_hashes

PIECE = 8
"""The length of a piece in characters: short enough to be found in any copy, too long to be common by chance."""


def copied_pieces(compared: Comparison) -> Estimate | None:
    """The mean share of a sample's pieces that occur in the training texts; None if fewer than two samples have one."""
    kind = text_kind(compared.modality)
    learnt = numpy.unique(numpy.concatenate([ngram_hashes(text, PIECE) for text in kind.texts(compared.training)]))
    shares = []
    for text in kind.texts(compared.samples):
        if len(pieces := ngram_hashes(text, PIECE)) and len(learnt):
            places = numpy.searchsorted(learnt, pieces).clip(max=len(learnt) - 1)
            shares.append(float((learnt[places] == pieces).mean()))
    if len(shares) < 2:
        return None
    values = numpy.array(shares)
    mean = float(values.mean())
    return Estimate.of_groups(mean, group_influence_values(values - mean)).within(0.0, 1.0)


stored_by_name["copied_pieces"] = StoredMetric(
    MetricInfo(
        Sentence("Copied pieces"),
        "lower",
        Sentence("texts"),
        Sentence(
            "The share of pieces of {piece} characters that stand in the training texts; common phrases do in any "
            "text. From 0 to 1.",
            piece=PIECE,
        ),
        highest=1.0,
        audit=True,
        meaning=Sentence("How much of the samples is copied from the training texts, piece by piece."),
    ),
    "text",
    copied_pieces,
    of_real=True,
)
