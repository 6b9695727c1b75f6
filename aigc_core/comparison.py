"""Is the difference between two results real?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .errors import AIGCError
from .metrics.figure import Z_95, Figure
from .results import FIGURES, Result


@dataclass(frozen=True)
class Verdict:
    """How the first of two checkpoints stands to the second in one figure; `confidence` from 0.5 to 1."""

    outcome: Literal["better", "worse", "tie"]
    confidence: float
    sentence: str


def compare(first: Result, second: Result, figure: str = "fid") -> Verdict:
    """Is the difference in a figure real? A two-sided z-test at 5 % on the figures' sampling errors.

    Raises AIGCError when the protocols differ or a figure is missing.
    """
    if first.protocol.id != second.protocol.id:
        raise AIGCError(
            f"These results follow different protocols ({first.protocol.id} and {second.protocol.id}) and cannot be "
            "ranked; evaluate both in the same way."
        )
    if figure not in first.figures or figure not in second.figures:
        raise AIGCError(f"Both results need the figure '{figure}'.")
    a, b = first.figures[figure], second.figures[figure]
    deviation = math.hypot(a.standard_error, b.standard_error)
    difference = a.value - b.value
    z = difference / deviation if deviation else math.copysign(math.inf, difference) if difference else 0.0
    confidence = 0.5 * (1 + math.erf(abs(z) / math.sqrt(2)))
    kind = FIGURES[figure]
    values = f"{kind.title} {_with_error(a)} against {_with_error(b)}"
    if abs(z) < Z_95:
        return Verdict("tie", confidence, f"No difference can be told: {values}.")
    outcome = "better" if (z < 0) == (kind.better == "lower") else "worse"
    return Verdict(outcome, confidence, f"The first is {outcome}: {values} (confidence {confidence:.1%}).")


def _with_error(figure: Figure) -> str:
    return f"{figure.value:.4g} ± {figure.reach:.2g}"
