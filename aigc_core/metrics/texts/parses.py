"""Whether samples are valid Python, as far as their top-level statements are complete."""

from __future__ import annotations

import ast
import re
import warnings

from torch import Tensor

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import END, TextModality, text_kind

_statement = re.compile(r"^(?!(?:else|elif|except|finally)\b)[A-Za-z_@]", re.MULTILINE)


def parses(compared: Comparison) -> Estimate | None:
    """The share of samples that `ast.parse` accepts; None if it accepts fewer than half of real texts."""
    kind = text_kind(compared.modality)
    if 2 * sum(real := _accepted(kind, compared.real[:1000])) < len(real):
        return None
    accepted = _accepted(kind, compared.samples)
    return Estimate.of_share(sum(accepted) / len(accepted), len(accepted))


def _accepted(kind: TextModality, stored: Tensor) -> list[bool]:
    has_ended = (stored == END).any(1).tolist()
    return [is_accepted(text, ended) for text, ended in zip(kind.texts(stored), has_ended)]


def is_accepted(text: str, ended: bool) -> bool:
    """Whether a text is Python from the first line on that begins a statement, with one statement at least.

    The last statement counts if the text has `ended` of itself; otherwise it may be cut off, and is left out.
    """
    begins = [match.start() for match in _statement.finditer(text)]
    if len(begins) < (1 if ended else 2):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of the code's style
        try:
            ast.parse(text[begins[0] :] if ended else text[begins[0] : begins[-1]])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


stored_by_name["parses"] = StoredMetric(
    MetricInfo(
        Sentence("Valid Python"),
        "higher",
        Sentence("Python code"),
        Sentence(
            "The share of samples that Python accepts from their first top-level statement on, without the last one "
            "where a sample is cut off. From 0 to 1."
        ),
        highest=1.0,
        meaning=Sentence("How many of the samples are code that Python can read."),
    ),
    "text",
    parses,
    of_real=True,
)
