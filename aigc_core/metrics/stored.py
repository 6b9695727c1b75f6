"""Metrics of the stored samples themselves, rather than of an extractor's features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from torch import Tensor

from aigc_core.modalities.base import Modality

from .estimate import Estimate, MetricInfo

JUDGED = 100
"""How many samples a judge is asked about that takes about a second for each."""


@dataclass(frozen=True)
class Comparison:
    """N samples beside M real ones that the model did not learn from, and the K that it did: stored tensors [N, …],
    [M, …] and [K, …] of a modality.

    `bits` float [L]: bits per dimension of `bits_of` [L, …], some of the real ones; None of a model without a
    likelihood. `classes` float [N, classes]: what the samples were asked to be, with the names of the classes.
    """

    samples: Tensor
    real: Tensor
    training: Tensor
    modality: Modality
    bits: Tensor | None = None
    bits_of: Tensor | None = None
    classes: Tensor | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredMetric:
    """`compute` makes an estimate from stored samples of the `modality`; None if it does not apply to them.

    `of_real`: whether it is also computed of real samples in place of the model's, to show what can be expected.
    `packages`: those that judge the samples and need not be installed; without one of them nothing is computed, and
    results keep their versions.
    """

    info: MetricInfo
    modality: str
    compute: Callable[[Comparison], Estimate | None]
    of_real: bool = False
    packages: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str] | None:
        """The versions of the packages; None if one of them is not installed."""
        try:
            return {package: version(package) for package in self.packages}
        except PackageNotFoundError:
            return None


stored_by_name: dict[str, StoredMetric] = {}
