"""Do two extractors rank checkpoints alike? Kendall's rank correlation, with an interval by the bootstrap.

It is tau-b (Kendall 1945), which allows ties; the interval is the middle 95 % of tau over resampled checkpoints
(Efron and Tibshirani 1993, chapter 13). Steps of one training are not independent checkpoints: with many of them, the
interval is too narrow. Resampling says nothing of so few checkpoints that any order of them may be chance, nor of an
order that is entirely the same or reversed, as every resample repeats it. Then there is the share of all orders that
agree or disagree as much: the p-value of the permutation test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy
from scipy.stats import kendalltau, permutation_test

from aigc_core.errors import AIGCError

from .comparison import differ_in_judge_alone
from .results import Result

FEWEST = 3
FEWEST_FOR_INTERVAL = 5
"""Of the orders of four, one in twelve is entirely the same or reversed: more than the 5 % that an interval leaves."""
RESAMPLINGS = 2000
SEED = 0


@dataclass(frozen=True)
class Agreement:
    """Kendall's `tau` over `count` checkpoints, and its 95 % interval, None where resampling gives none.

    `chance`: the share of all orders of them that agree or disagree as much, where there is no interval.
    """

    tau: float
    interval: tuple[float, float] | None
    chance: float | None
    count: int


@dataclass(frozen=True)
class Judged:
    """Values of one figure by two extractors: of the checkpoint `name`, under one protocol but for the extractor."""

    name: str
    first: float
    second: float


def rank_agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """How alike two extractors rank the same checkpoints, by a figure's values [n].

    Raises AIGCError for fewer than three checkpoints, or if an extractor gives all the same value.
    """
    values = numpy.array([first, second], dtype=float)
    count = values.shape[1]
    if count < FEWEST:
        raise AIGCError(
            "Ranks of {count} checkpoints say nothing; evaluate {fewest} or more with both extractors.",
            count=count,
            fewest=FEWEST,
        )
    tau = cast(float, kendalltau(*values)[0])  # scipy does not say what it returns
    if numpy.isnan(tau):
        raise AIGCError("One of the extractors gives all checkpoints the same value, so that nothing is ranked.")
    interval = _interval(values, tau)
    return Agreement(tau, interval, None if interval else _chance(values), count)


def _interval(values: numpy.ndarray, tau: float) -> tuple[float, float] | None:
    count = values.shape[1]
    if count < FEWEST_FOR_INTERVAL or numpy.isclose(abs(tau), 1):
        return None
    rows = numpy.random.default_rng(SEED).integers(0, count, (RESAMPLINGS, count))
    resampled = [kendalltau(*values[:, row])[0] for row in rows if len({*row.tolist()}) > 1]
    low, high = numpy.nanpercentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def _chance(values: numpy.ndarray) -> float:
    first, second = values
    found = permutation_test(
        (first,),
        lambda order: kendalltau(order, second)[0],
        permutation_type="pairings",
        n_resamples=RESAMPLINGS,
        vectorized=False,
        rng=numpy.random.default_rng(SEED),
    )
    return float(found.pvalue)


def judged_by_both(
    results: Iterable[tuple[str, Sequence[Result]]], first: str, second: str, figure: str
) -> dict[str, list[Judged]]:
    """The checkpoints, by name with all results of each, that both extractors judged alike but for themselves.

    By what they were measured against: data set, split, and the numbers of samples and real ones.
    """
    found: dict[str, list[Judged]] = {}
    for name, of_one in results:
        for ours in of_one:
            for theirs in of_one:
                pair = ours.protocol.extractor, theirs.protocol.extractor
                alike = differ_in_judge_alone(ours.protocol, theirs.protocol)
                if pair == (first, second) and alike and figure in ours.figures and figure in theirs.figures:
                    protocol = ours.protocol
                    against = (
                        f"{protocol.dataset} ({protocol.split}), {protocol.num_samples:,} samples against "
                        f"{protocol.num_reference:,}"
                    )
                    judged = Judged(name, ours.figures[figure].value, theirs.figures[figure].value)
                    found.setdefault(against, []).append(judged)
    return found
