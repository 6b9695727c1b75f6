"""Is the difference between two checkpoints real? A verdict with its confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy
from scipy import stats

from .errors import AIGCError
from .metrics.figure import Figure
from .results import FIGURES, Result

CONFIDENCE = 0.98
"""A difference is called real when chance brings one as large, in either direction, in 2 % of cases."""
POWER = 0.9


@dataclass(frozen=True)
class Verdict:
    """How the first of two checkpoints stands to the second in one figure.

    `confidence`, from 0.5 to 1, is that of the difference's sign. `detectable`: the smallest difference that would have
    been found in nine of ten cases, in units of the figure.
    """

    outcome: Literal["better", "worse", "tie"]
    confidence: float
    detectable: float
    sentence: str


def compare(first: Result | Sequence[Result], second: Result | Sequence[Result], figure: str = "fid") -> Verdict:
    """Is the difference in a figure real?

    Two results are compared by Student's test on the differences of their influences: both were drawn from the same
    seeds and measured against the same images, so that much of what moved the one moved the other. Two groups, each of
    results of several training seeds of a recipe, are compared by Welch's test, which asks whether the recipes differ.
    Raises AIGCError when protocols differ, a figure is missing, or a group has a single result.
    """
    groups = [[part] if isinstance(part, Result) else list(part) for part in (first, second)]
    protocols = {result.protocol.id for group in groups for result in group}
    if len(protocols) > 1:
        raise AIGCError(
            f"These results follow different protocols ({' and '.join(sorted(protocols))}) and cannot be ranked; "
            "evaluate all in the same way."
        )
    if any(figure not in result.figures for group in groups for result in group):
        raise AIGCError(f"All results need the figure '{figure}'.")
    a, b = ([result.figures[figure] for result in group] for group in groups)
    if len(a) == len(b) == 1:
        difference, deviation, freedom = _paired(a[0], b[0])
    elif min(len(a), len(b)) > 1:
        difference, deviation, freedom = _welch(*([one.value for one in group] for group in (a, b)))
    else:
        raise AIGCError("A group of training seeds can only be compared with another group of two or more.")
    return _verdict(figure, difference, deviation, freedom, f"{_with_error(a)} against {_with_error(b)}")


def _paired(a: Figure, b: Figure) -> tuple[float, float, float]:
    """Difference, its standard error and the degrees of freedom of that."""
    count = len(a.influences)
    if count < 2 or count != len(b.influences):
        return a.value - b.value, math.hypot(a.standard_error, b.standard_error), math.inf
    shared = numpy.var(numpy.subtract(a.influences, b.influences), ddof=1) / count
    # What the influences do not explain is chance of each result's own.
    own = sum(max(0.0, part.standard_error**2 - numpy.var(part.influences, ddof=1) / count) for part in (a, b))
    return a.value - b.value, math.sqrt(shared + own), count - 1


def _welch(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """The same of two groups of values (Welch 1947)."""
    errors = [numpy.var(part, ddof=1) / len(part) for part in (a, b)]
    total = sum(errors)
    weights = [error**2 / (len(part) - 1) for error, part in zip(errors, (a, b))]
    freedom = total**2 / sum(weights) if total else 1.0
    return float(numpy.mean(a) - numpy.mean(b)), math.sqrt(total), float(freedom)


def _verdict(figure: str, difference: float, deviation: float, freedom: float, values: str) -> Verdict:
    kind = FIGURES[figure]
    # Rounding in files leaves a trace of a difference between equal results.
    deviation = max(deviation, 1e-9 * abs(difference), 1e-300)
    confidence = float(stats.t.cdf(abs(difference) / deviation, freedom))
    critical, beyond = stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], freedom)
    detectable = float((critical + beyond) * deviation)
    if abs(difference) < critical * deviation:
        sentence = (
            f"No difference can be told: {kind.title} {values}. One of {detectable:.2g} would have been found in nine "
            "of ten cases; more samples find smaller ones."
        )
        return Verdict("tie", confidence, detectable, sentence)
    outcome = "better" if (difference < 0) == (kind.better == "lower") else "worse"
    sentence = f"The first is {outcome}: {kind.title} {values} (confidence {confidence:.1%})."
    return Verdict(outcome, confidence, detectable, sentence)


def _with_error(figures: list[Figure]) -> str:
    """A value and its 95 % interval, or the mean of training seeds and their spread."""
    if len(figures) == 1:
        return f"{figures[0].value:.4g} ± {figures[0].reach:.2g}"
    values = [figure.value for figure in figures]
    return f"{numpy.mean(values):.4g} (spread {numpy.std(values, ddof=1):.2g} over {len(values)} training seeds)"
