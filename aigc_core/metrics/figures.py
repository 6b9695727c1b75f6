"""FID, IS, KID, precision and recall of given features, as torch-fidelity computes them, with 95 % intervals."""

from __future__ import annotations

import math

import numpy
import torch
from torch import Tensor

from ..errors import AIGCError
from .figure import Figure

BOOTSTRAPS = 30
KID_SUBSET_SIZE = 1000


def measure(features: Tensor, logits: Tensor, real: Tensor, neighbourhood: int) -> dict[str, Figure]:
    """All figures of generated features [N, F] and logits [N, K] against real features [M, F].

    FID and IS: bootstrap over the samples; KID: the spread of its subsets, scaled to the number of samples;
    precision and recall: Wilson's interval. Raises AIGCError where there are too few images for KID's subsets.
    """
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    if min(len(features), len(real)) < KID_SUBSET_SIZE:
        raise AIGCError(f"Evaluation needs {KID_SUBSET_SIZE:,} images on each side at least; there are fewer.")
    resamples = numpy.random.RandomState(0).randint(len(features), size=(BOOTSTRAPS, len(features)))
    real_statistics = _statistics(real)
    fid = [_frechet_distance(_statistics(features[rows]), real_statistics) for rows in map(torch.from_numpy, resamples)]
    inception = [isc_features_to_metric(logits[rows])[KEY_METRIC_ISC_MEAN] for rows in map(torch.from_numpy, resamples)]
    kid = kid_features_to_metric(features, real, kid_subset_size=KID_SUBSET_SIZE, verbose=False)
    kid_error = kid[KEY_METRIC_KID_STD] * math.sqrt(KID_SUBSET_SIZE / len(features))
    neighbours = prc_features_to_metric(
        features, real, prc_neighborhood=neighbourhood, save_cpu_ram=True, verbose=False
    )
    return {
        "fid": Figure.of_error(
            _frechet_distance(_statistics(features), real_statistics), float(numpy.std(fid, ddof=1))
        ),
        "is": Figure.of_error(isc_features_to_metric(logits)[KEY_METRIC_ISC_MEAN], float(numpy.std(inception, ddof=1))),
        "kid": Figure.of_error(kid[KEY_METRIC_KID_MEAN], kid_error),
        "precision": Figure.of_share(neighbours[KEY_METRIC_PRECISION], len(features)),
        "recall": Figure.of_share(neighbours[KEY_METRIC_RECALL], len(real)),
    }


def _statistics(features: Tensor) -> dict[str, numpy.ndarray]:
    from torch_fidelity.metric_fid import fid_features_to_statistics

    return fid_features_to_statistics(features)


def _frechet_distance(generated: dict[str, numpy.ndarray], real: dict[str, numpy.ndarray]) -> float:
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    return fid_statistics_to_metric(generated, real, verbose=False)[KEY_METRIC_FID]


def class_balance(logits: Tensor, class_names: tuple[str, ...]) -> dict[str, Figure]:
    """The share of images [N, K] that fall into each class, with its interval."""
    counts = torch.bincount(logits.argmax(1), minlength=logits.shape[1]).tolist()
    names = class_names or tuple(str(label) for label in range(logits.shape[1]))
    return {name: Figure.of_share(count / len(logits), len(logits)) for name, count in zip(names, counts)}
