"""Metrics that look at stored samples themselves rather than at what an extractor sees of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from aigc_core.modalities.base import Modality

from .estimate import Estimate, MetricInfo


@dataclass(frozen=True)
class Comparison:
    """N samples beside M real ones that the model did not learn from, and the K that it did: stored tensors [N, …],
    [M, …] and [K, …] of a modality.

    `bits` float [L]: bits per dimension of `bits_of` [L, …], some of the real ones; None of a model without a
    likelihood.
    """

    samples: Tensor
    real: Tensor
    training: Tensor
    modality: Modality
    bits: Tensor | None = None
    bits_of: Tensor | None = None


@dataclass(frozen=True)
class StoredMetric:
    """`compute` makes an estimate of stored samples of the `modality`; None where these have nothing to be measured.

    `of_real`: it is made of real samples in the place of the model's as well, to say what can be expected.
    """

    info: MetricInfo
    modality: str
    compute: Callable[[Comparison], Estimate | None]
    of_real: bool = False


stored_by_name: dict[str, StoredMetric] = {}
