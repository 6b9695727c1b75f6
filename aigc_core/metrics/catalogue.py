"""Everything that can be measured, in the order in which it is shown, and how more of it comes from outside.

Most metrics compare what an extractor sees of samples and real images. A metric of stored samples compares the samples
themselves, of any modality: a plugin registers it here.
"""

from __future__ import annotations

from collections.abc import Collection

from aigc_core.errors import AIGCError

from . import (
    balance,
    bits_per_dimension,
    feature_likelihood,
    fid,
    importance_weighted,
    inception_score,
    kid,
    label_agreement,
    memorisation,
    neighbours,
    path_length,
    sounds,  # noqa: F401  (they register themselves)
    texts,  # noqa: F401  (they register themselves)
)
from .estimate import MetricInfo, Sizes
from .stored import StoredMetric, stored_by_name

FIGURES: dict[str, MetricInfo] = {
    **fid.METRICS,
    **kid.METRICS,
    **inception_score.METRICS,
    **neighbours.METRICS,
    **path_length.METRICS,
    **label_agreement.METRICS,
    **memorisation.METRICS,
    **feature_likelihood.METRICS,
    **balance.METRICS,
    **bits_per_dimension.METRICS,
    **importance_weighted.METRICS,
    **{name: metric.info for name, metric in stored_by_name.items()},
}
"""How each is shown and read."""


def register_metric(name: str, metric: StoredMetric) -> None:
    """Make a metric of stored samples known under its name. Raises AIGCError if the name is taken."""
    if FIGURES.setdefault(name, metric.info) is not metric.info:
        raise AIGCError("There is another metric named '{name}' already; choose another name.", name=name)
    stored_by_name[name] = metric


def default_metrics() -> list[str]:
    """The metrics that are measured if none are named: all but those that cost too much for that."""
    return [name for name, info in FIGURES.items() if not info.on_request]


def too_few_samples(count: int, sizes: Sizes, metrics: Collection[str]) -> dict[str, int]:
    """The metrics that `count` samples are too few for, each with the number of samples that it needs."""
    needed = {name: FIGURES[name].min_samples(sizes) for name in FIGURES if name in metrics}
    return {name: least for name, least in needed.items() if least > count}


def stored_metrics(modality: str) -> dict[str, StoredMetric]:
    """The metrics of stored samples of a modality, by name."""
    return {name: metric for name, metric in stored_by_name.items() if metric.modality == modality}
