"""How many bits per character the model needs to encode real texts."""

from __future__ import annotations

import numpy

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import GROUPS, Estimate, MetricInfo
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind, up_to_end


def bits_per_character(compared: Comparison) -> Estimate | None:
    """All bits of the real texts over all their characters; None for a model without a likelihood, or a single text.

    The end of a text costs bits and is no character. Neighbouring texts may be parts of one document, so the error is
    computed from groups of neighbours.
    """
    if compared.bits is None or compared.bits_of is None:
        return None
    bits = (compared.bits.double() * up_to_end(compared.bits_of).sum(1)).numpy()
    characters = numpy.array([len(text) for text in text_kind(compared.modality).texts(compared.bits_of)], dtype=float)
    if len(bits) < 2 or not characters.any():
        return None
    value = bits.sum() / characters.sum()
    effects = (bits - value * characters) / characters.mean()
    groups = numpy.array([part.mean() for part in numpy.array_split(effects, min(GROUPS, len(effects)))])
    return Estimate.of_groups(float(value), groups).within(0.0, float("inf"))


stored_by_name["bits_per_character"] = StoredMetric(
    MetricInfo(
        Sentence("Bits per character"),
        "lower",
        Sentence("a model with a likelihood"),
        Sentence("Of texts that the model did not learn from. A model may be good at this and write poor texts."),
        meaning=Sentence("How many bits the model needs for each character of a real text."),
    ),
    "text",
    bits_per_character,
)
