"""Whether Python accepts code, from its first whole top-level statement to its last."""

from __future__ import annotations

import ast
import re
import warnings

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

_statement = re.compile(r"^(?!(?:else|elif|except|finally)\b)[A-Za-z_@]", re.MULTILINE)


def parses(compared: Comparison) -> Estimate | None:
    """The share of samples that `ast.parse` accepts; None where it accepts less than half of real texts."""
    kind = text_kind(compared.modality)
    real = kind.texts(compared.real[:1000])
    if 2 * sum(map(is_accepted, real)) < len(real):
        return None
    accepted = list(map(is_accepted, kind.texts(compared.samples)))
    return Estimate.of_share(sum(accepted) / len(accepted), len(accepted))


def is_accepted(text: str) -> bool:
    """Whether the part from the first line that begins a statement to the last such line, which may be cut off, is
    Python, and more than nothing."""
    begins = [match.start() for match in _statement.finditer(text)]
    if len(begins) < 2:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of the code's style
        try:
            ast.parse(text[begins[0] : begins[-1]])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


stored_by_name["parses"] = StoredMetric(
    MetricInfo(
        Sentence("Valid Python"),
        "higher",
        "Python code",
        Sentence(
            "The share of samples that Python accepts from their first top-level statement to their last. From 0 to 1."
        ),
        highest=1.0,
    ),
    "text",
    parses,
)
