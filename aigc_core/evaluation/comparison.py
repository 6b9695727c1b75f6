"""Is the difference between two checkpoints real? A verdict with its confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy
from scipy import stats

from aigc_core.errors import AND, AIGCError, Sentence, joined
from aigc_core.metrics.estimate import Estimate

from .holm import holm
from .recipes import over_seeds
from .results import FIGURES, Protocol, Result

CONFIDENCE = 0.98
"""The significance level: a difference is real if chance makes one as large, in either direction, in 2 % of cases."""
CERTAIN = (1 + CONFIDENCE) / 2
"""The confidence in the sign of a difference that the level requires."""
POWER = 0.9


MARKED = {
    "better": Sentence("**{a}** is better than **{b}**: {figure} {first} against {second}; confidence {share}."),
    "worse": Sentence("**{a}** is worse than **{b}**: {figure} {first} against {second}; confidence {share}."),
    "tie": Sentence("**{a}** and **{b}** cannot be told apart: {figure} {first} against {second}."),
}
"""A verdict in short, by outcome, with the names in Markdown's bold."""


@dataclass(frozen=True)
class Verdict:
    """How the first of two checkpoints compares with the second in one figure.

    `confidence`: in the sign of the difference, 0.5 to 1. `detectable`: the smallest difference, in units of the
    figure, that would have been found in nine of ten cases; 0 if nothing varies. `figure`: its name. `values`:
    those of the two.
    """

    outcome: Literal["better", "worse", "tie"]
    confidence: float
    detectable: float
    figure: str
    values: tuple[str, str]

    @property
    def share(self) -> str:
        """The confidence in the short sentences (MARKED)."""
        return f"{self.confidence:.1%}" if self.confidence < 0.999 else "> 99.9%"

    def sentence(self, first: str, second: str) -> Sentence:
        """The verdict in words, on two checkpoints of these names."""
        values = {
            "first": first,
            "second": second,
            "figure": Sentence(FIGURES[self.figure].title),
            "ours": self.values[0],
            "theirs": self.values[1],
            "confidence": "> 99.9 %" if self.confidence > 0.999 else f"{self.confidence:.1%}",
        }
        if self.outcome == "better":
            return Sentence(
                "{first} is better than {second}: {figure} {ours} against {theirs} (confidence {confidence}).", **values
            )
        if self.outcome == "worse":
            return Sentence(
                "{first} is worse than {second}: {figure} {ours} against {theirs} (confidence {confidence}).", **values
            )
        if self.detectable == 0 and self.values[0] == self.values[1]:
            return Sentence("{first} and {second} have the very same {figure}: {ours}.", **values)
        if self.detectable == 0:
            return Sentence("{first} and {second} cannot be told apart: {figure} {ours} against {theirs}.", **values)
        return Sentence(
            "{first} and {second} cannot be told apart: {figure} {ours} against {theirs} (confidence {confidence}; "
            "{needed:.0%} are needed). A difference of {detectable:.2g} would have been found in nine of ten cases; "
            "more samples find smaller ones.",
            **values,
            needed=CERTAIN,
            detectable=self.detectable,
        )


def compare(first: Result | Sequence[Result], second: Result | Sequence[Result], figure: str = "fid") -> Verdict:
    """Is the difference in a figure real?

    Two results are compared by Student's test on the differences of their influence values: they share seeds and real
    images, so much of the sampling error is common to both. The part of a difference that unequal biases may explain is
    not counted. Two groups, each with results of several training seeds of a recipe, are compared by Welch's test,
    which asks whether the recipes differ.
    Raises AIGCError if protocols differ, a figure is missing, or a group has a single result.
    """
    groups = [[part] if isinstance(part, Result) else list(part) for part in (first, second)]
    protocols = {result.protocol.id for group in groups for result in group}
    if len(protocols) > 1:
        raise AIGCError(
            "These results follow different protocols ({protocols}) and cannot be ranked; evaluate all in the same "
            "way.",
            protocols=joined(sorted(protocols), AND),
        )
    if any(figure not in result.figures for group in groups for result in group):
        raise AIGCError(
            "'{figure}' was not measured of all of these; evaluate them with --metrics {figure}, or compare another "
            "figure.",
            figure=figure,
        )
    a, b = ([result.figures[figure] for result in group] for group in groups)
    if a == b:
        return Verdict("tie", 0.5, 0.0, figure, (_with_error(a), _with_error(b)))
    if len(a) == len(b) == 1:
        tables = _differences([a[0], b[0]])
    elif min(len(a), len(b)) > 1:
        tables = _group_differences([a, b])
    else:
        raise AIGCError(
            "A group of training seeds can only be compared with another group of two or more; `train --seeds 5` "
            "trains a recipe with five seeds, or compare one run of each."
        )
    difference, deviation, freedom = (float(table[0, 1]) for table in tables)
    return _verdict(figure, difference, deviation, freedom, (_with_error(a), _with_error(b)))


def outcomes_by_judge(
    first: Sequence[Result], second: Sequence[Result], protocol: Protocol, figure: str
) -> dict[str, str]:
    """The verdict of each extractor on two checkpoints, if the extractors disagree.

    `first` and `second`: all results of a checkpoint, or of a group of training seeds; those whose protocols equal
    `protocol` except for the extractor are used. Empty if all agree or there is only one extractor.
    """
    outcomes: dict[str, str] = {}
    for protocol_of_judge in {result.protocol.id: result.protocol for result in first}.values():
        if differ_in_judge_alone(protocol_of_judge, protocol):
            groups = [
                [result for result in group if result.protocol == protocol_of_judge and figure in result.figures]
                for group in (first, second)
            ]
            if len(groups[0]) == len(groups[1]) == 1 or min(map(len, groups)) > 1:
                ours, theirs = (group[0] if len(group) == 1 else group for group in groups)
                outcomes[protocol_of_judge.extractor] = compare(ours, theirs, figure).outcome
    return dict(sorted(outcomes.items())) if len(set(outcomes.values())) > 1 else {}


def judged(extractor: str, outcome: str) -> Sentence:
    """An extractor's verdict on the first of two checkpoints."""
    if outcome == "better":
        return Sentence("better to {extractor}", extractor=extractor)
    if outcome == "worse":
        return Sentence("worse to {extractor}", extractor=extractor)
    return Sentence("not told apart by {extractor}", extractor=extractor)


def differ_in_judge_alone(first: Protocol, second: Protocol) -> bool:
    """Whether two protocols are equal except for the extractor."""
    left, right = (
        protocol.model_dump(exclude={"extractor", "extractor_hash", "channels"}) for protocol in (first, second)
    )
    return left == right


def better_beyond_doubt(estimates: Sequence[Estimate], figure: str) -> numpy.ndarray:
    """Whether, of each two estimates of a figure by one protocol, the first is better beyond doubt: bool [n, n].

    As all pairs are compared, Holm's correction is applied: in at most 2 % of tables is any difference due to chance.
    """
    return _better(*_differences(estimates), FIGURES[figure].better)


def group_ranks(groups: Sequence[Sequence[Result]], figure: str) -> list[int]:
    """The rank of each group of two results or more, of several training seeds of a recipe each: 1 + the number of
    groups that are better beyond doubt, by Welch's test and Holm's correction."""
    figures = [[result.figures[figure] for result in group] for group in groups]
    return (1 + _better(*_group_differences(figures), FIGURES[figure].better).sum(0)).tolist()


def _better(difference: numpy.ndarray, deviation: numpy.ndarray, freedom: numpy.ndarray, better: str) -> numpy.ndarray:
    """The same from the differences of each two, their standard errors and degrees of freedom, float64 [n, n]."""
    pairs = numpy.triu_indices(len(difference), 1)
    statistic = numpy.abs(difference[pairs]) / _floored(deviation, difference)[pairs]
    beyond_doubt = numpy.zeros(difference.shape, dtype=bool)
    beyond_doubt[pairs] = holm(2 * stats.t.sf(statistic, freedom[pairs]), 1 - CONFIDENCE)
    ahead = -difference if better == "lower" else difference
    return (beyond_doubt | beyond_doubt.T) & (ahead > 0)


def _differences(figures: Sequence[Estimate]) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """For each pair of figures: the difference beyond that of their biases, its standard error, degrees of freedom.

    float64 [n, n].
    """
    values, errors = (
        numpy.array([getattr(figure, name) for figure in figures]) for name in ("value", "standard_error")
    )
    deviation, freedom = numpy.hypot(errors[:, None], errors), numpy.full((len(figures),) * 2, math.inf)
    counts = numpy.array([len(figure.influence_values) for figure in figures])
    for count in set(counts[counts > 1].tolist()):
        alike = numpy.flatnonzero(counts == count).tolist()
        influence_values = numpy.array([figures[index].influence_values for index in alike])
        covariance = numpy.cov(influence_values).reshape(len(alike), len(alike)) / count
        explained = covariance.diagonal()
        shared = numpy.maximum(0, explained[:, None] + explained - 2 * covariance)
        # What the influence values do not explain is chance of each result's own.
        own = numpy.maximum(0, errors[alike] ** 2 - explained)
        pairs = numpy.ix_(alike, alike)
        deviation[pairs], freedom[pairs] = numpy.sqrt(shared + own[:, None] + own), count - 1
    biases = _biases(figures)
    return _beyond_bias(values[:, None] - values, biases[:, None] - biases), deviation, freedom


def _biases(figures: Sequence[Estimate]) -> numpy.ndarray:
    """float64 [n], NaN where a bias was not estimated."""
    return numpy.array([math.nan if figure.bias is None else figure.bias for figure in figures])


def _beyond_bias(difference: numpy.ndarray | float, of_biases: numpy.ndarray | float) -> numpy.ndarray:
    """A difference moved towards 0 by as much as unequal biases, if known, may explain."""
    return numpy.sign(difference) * numpy.maximum(0, numpy.abs(difference) - numpy.nan_to_num(numpy.abs(of_biases)))


def _group_differences(
    groups: Sequence[Sequence[Estimate]],
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """The same for each pair of groups of training seeds (Welch 1947)."""
    values = [numpy.array([one.value for one in group]) for group in groups]
    # From the first value of each on, as equal ones do not vary by rounding then.
    means = numpy.array([part[0] + (part - part[0]).mean() for part in values])
    errors = numpy.array([(part - part[0]).var(ddof=1) / len(part) for part in values])
    weights = errors**2 / (numpy.array([len(part) for part in values]) - 1)
    biases = numpy.array([numpy.mean(_biases(group)) for group in groups])
    total, weight = errors[:, None] + errors, weights[:, None] + weights
    freedom = numpy.divide(total**2, weight, out=numpy.ones_like(total), where=weight > 0)
    return _beyond_bias(means[:, None] - means, biases[:, None] - biases), numpy.sqrt(total), freedom


def _verdict(figure: str, difference: float, deviation: float, freedom: float, values: tuple[str, str]) -> Verdict:
    detectable = float(_critical(freedom) + stats.t.ppf(POWER, freedom)) * deviation
    deviation = float(_floored(deviation, difference))
    confidence = float(stats.t.cdf(abs(difference) / deviation, freedom))
    if abs(difference) < _critical(freedom) * deviation:
        return Verdict("tie", confidence, detectable, figure, values)
    outcome = "better" if (difference < 0) == (FIGURES[figure].better == "lower") else "worse"
    return Verdict(outcome, confidence, detectable, figure, values)


def _critical(freedom: numpy.ndarray | float) -> numpy.ndarray:
    """The number of standard errors from which a difference is real."""
    return stats.t.ppf(CERTAIN, freedom)


def _floored(deviation: numpy.ndarray | float, difference: numpy.ndarray | float) -> numpy.ndarray:
    """Standard errors, kept above the rounding in files, which makes equal results differ slightly."""
    return numpy.maximum(numpy.maximum(deviation, 1e-9 * numpy.abs(difference)), 1e-300)


def _with_error(figures: list[Estimate]) -> str:
    """A value and its 95 % interval, or the mean of training seeds and their spread."""
    return str(figures[0] if len(figures) == 1 else over_seeds(figures))
