"""Whether samples are taken for Python by a judge that knows two hundred kinds of files: magika (Fratantonio et al.
2024), an extra."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

JUDGED = 300


def called_python(compared: Comparison) -> Estimate | None:
    """The share of the first JUDGED samples that magika calls Python; None if it calls fewer than half of real texts
    Python."""
    kind = text_kind(compared.modality)
    real, samples = (_verdicts(kind.texts(stored[:JUDGED])) for stored in (compared.real[:100], compared.samples))
    if 2 * real.mean() < 1 or len(samples) < 2:
        return None
    share = float(samples.mean())
    return Estimate.of_share(share, len(samples), group_influence_values(samples - share))


def _verdicts(texts: list[str]) -> numpy.ndarray:
    """float64 [N], 1 for Python."""
    judge = _judge()
    return numpy.array(
        [str(judge.identify_bytes(text.encode(errors="replace")).output.label) == "python" for text in texts],
        dtype=float,
    )


@cache
def _judge() -> Any:
    from magika import Magika  # pyright: ignore[reportMissingImports]  (it need not be installed)

    return Magika()


stored_by_name["called_python"] = StoredMetric(
    MetricInfo(
        Sentence("Taken for Python"),
        "higher",
        Sentence("Python code, and the package magika (`pip install magika`)"),
        Sentence("The share of samples that magika, which tells the kinds of files apart, calls Python. From 0 to 1."),
        highest=1.0,
        meaning=Sentence("Whether samples look like Python to a program that sorts files by what is in them."),
    ),
    "text",
    called_python,
    of_real=True,
    packages=("magika",),
)
