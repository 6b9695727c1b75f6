"""Whether poems have a regular form: the number of lines, and of characters in each, that the form requires."""

from __future__ import annotations

from aigc_core.data.named_corpora.poems import form_of, lines_of
from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind


def poem_form(compared: Comparison) -> Estimate | None:
    """The share of samples in a regular form; None if most real texts are in none."""
    kind = text_kind(compared.modality)
    real = kind.texts(compared.real[:1000])
    if 2 * sum(_is_regular(text) for text in real) < len(real):
        return None
    regular = [_is_regular(text) for text in kind.texts(compared.samples)]
    return Estimate.of_share(sum(regular) / len(regular), len(regular))


def _is_regular(text: str) -> bool:
    return form_of(lines_of(text)) is not None


stored_by_name["poem_form"] = StoredMetric(
    MetricInfo(
        Sentence("Regular form"),
        "higher",
        Sentence("poems"),
        Sentence("The share of poems with the lines and characters of one of the forms learnt. From 0 to 1."),
        highest=1.0,
        meaning=Sentence("How many of the samples have the shape of a poem: its lines, all of the right length."),
    ),
    "text",
    poem_form,
    of_real=True,
)
