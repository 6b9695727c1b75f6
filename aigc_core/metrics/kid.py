"""KID (Bińkowski et al. 2018), as torch-fidelity computes it, with its sampling error."""

from __future__ import annotations

import numpy
from torch import Tensor

from .figure import Figure, group_influences

SUBSETS = 100
SUBSET_SIZE = 1000
REPRESENTATIVES = 1000
"""How many images stand for all others when the effect of each one is estimated."""


def kernel_distance(features: Tensor, real: Tensor) -> Figure:
    """KID of features float32 [N, F] against real ones [M, F].

    The error has two parts: that of a U-statistic to first order (Serfling 1980, section 5.3), of both sides, and that
    of averaging a finite number of subsets. Subsets have 1,000 images, or as many as there are.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    size = min(SUBSET_SIZE, len(features), len(real))
    kid = kid_features_to_metric(features, real, kid_subsets=SUBSETS, kid_subset_size=size, verbose=False)
    influences = group_influences(_effects(features, real), _effects(real, features))
    return Figure.of_groups(kid[KEY_METRIC_KID_MEAN], influences, kid[KEY_METRIC_KID_STD] ** 2 / SUBSETS)


def _effects(features: Tensor, other: Tensor) -> numpy.ndarray:
    """The first-order effect on the kernel distance of each of the features [N, F]: float64 [N], of mean zero."""
    among, across = (
        ((features @ part[:REPRESENTATIVES].T) / features.shape[1] + 1).pow_(3).mean(1) for part in (features, other)
    )
    effects = 2 * (among - across).double().numpy()
    return effects - effects.mean()
