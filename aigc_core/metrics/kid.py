"""KID (Bińkowski et al. 2018) over the same subsets as torch-fidelity, with its sampling error."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy
import torch
from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo, group_influence_values

SUBSETS = 100
SUBSET_SIZE = 1000
SUBSET_SEED = 2020
REPRESENTATIVES = 1000
"""How many images represent all others when the effect of each one is estimated."""

METRICS = {
    # The squared kernel distance of features (Bińkowski et al. 2018).
    "kid": MetricInfo(
        Sentence("KID"),
        "lower",
        Sentence("samples and real images"),
        Sentence(
            "Unbiased for any number of samples, and for that it may fall below 0 where the true distance is near 0."
        ),
        lowest=-math.inf,
        meaning=Sentence("The distance between samples and real images as a network sees them, compared pair by pair."),
    ),
}


def kernel_distance(features: Tensor, real: Tensor, real_pairs: Tensor | None = None) -> Estimate:
    """KID of features float32 [N, F] against real ones [M, F].

    `real_pairs`: `pairs_among_real(real, N)`, if already computed. The error has two parts: that of a U-statistic of
    both sides, to first order (Serfling 1980, section 5.3), and that of averaging a finite number of subsets. Subsets
    have SUBSET_SIZE images, or as many as there are.
    """
    from torch_fidelity.metric_kid import kernel_poly

    if real_pairs is None:
        real_pairs = pairs_among_real(real, len(features))
    own, others = features.numpy(), real.numpy()
    distances = numpy.empty(SUBSETS)
    # Sums in single precision follow torch-fidelity's order, as KIDs near zero are differences in the last digits.
    for subset, ((rows, real_rows), real_sum) in enumerate(zip(_subsets(len(own), len(others)), real_pairs.numpy())):
        count = len(rows)
        across = kernel_poly(own[rows], others[real_rows]).sum(axis=0).sum()
        distances[subset] = (_pairs(own[rows]) + real_sum) / (count * (count - 1)) - 2 * across / count**2
    influence_values = group_influence_values(_effects(features, real), _effects(real, features))
    return Estimate.of_groups(float(distances.mean()), influence_values, distances.var() / SUBSETS)


def pairs_among_real(real: Tensor, count: int) -> Tensor:
    """For each subset, the sum of the kernel over pairs of different real images, float32 [SUBSETS].

    `count`: how many samples the real images [M, F] are compared with.
    """
    features = real.numpy()
    return torch.from_numpy(numpy.array([_pairs(features[rows]) for _, rows in _subsets(count, len(features))]))


def _subsets(count: int, real_count: int) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
    """The rows of both sides in each subset."""
    size = min(SUBSET_SIZE, count, real_count)
    draw = numpy.random.RandomState(SUBSET_SEED)
    for _ in range(SUBSETS):
        yield draw.choice(count, size, replace=False), draw.choice(real_count, size, replace=False)


def _pairs(features: numpy.ndarray) -> numpy.float32:
    """The sum of the kernel over pairs of different features [N, F]."""
    from torch_fidelity.metric_kid import kernel_poly

    kernel = kernel_poly(features, features)
    return (kernel.sum(axis=1) - kernel.diagonal()).sum()


def _effects(features: Tensor, other: Tensor) -> numpy.ndarray:
    """The first-order effect on the kernel distance of each of the features [N, F]: float64 [N], of mean zero."""
    among, across = (
        ((features @ part[:REPRESENTATIVES].T) / features.shape[1] + 1).pow_(3).mean(1) for part in (features, other)
    )
    effects = 2 * (among - across).double().numpy()
    return effects - effects.mean()
