"""Many comparisons at once: Holm's correction (Holm 1979, A simple sequentially rejective multiple test procedure)."""

from __future__ import annotations

import numpy


def holm(p_values: numpy.ndarray, alpha: float) -> numpy.ndarray:
    """Which of m differences are real, bool [m], by the p-values float [m] of each alone.

    However many of them are chance, one or more of these are called real with a probability of at most `alpha`: the
    smallest p-value is held to alpha / m, the next to alpha / (m - 1), and so on until one exceeds its bound.
    """
    order = numpy.argsort(p_values, kind="stable")
    bounds = alpha / numpy.arange(len(p_values), 0, -1)
    real = numpy.empty(len(p_values), dtype=bool)
    real[order] = numpy.logical_and.accumulate(p_values[order] <= bounds)
    return real
