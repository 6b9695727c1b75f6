"""FID (Heusel et al. 2017), its extrapolation to infinitely many samples, and what each image does to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from torch import Tensor

from .estimate import Figure, group_influences

MAX_CHUNKS = 5
SAMPLES_PER_FEATURE = 2
"""The bias falls as 1/N only where N is well above the number of features."""


@dataclass(frozen=True)
class Moments:
    """mean float [F] and covariance float64 [F, F] of features, as torch-fidelity computes them."""

    mean: numpy.ndarray
    covariance: numpy.ndarray

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """The moments of features float32 [N, F]."""
        from torch_fidelity.metric_fid import fid_features_to_statistics

        statistics = fid_features_to_statistics(features)
        return cls(statistics["mu"], statistics["sigma"])


def frechet_distance(generated: Moments, real: Moments) -> float:
    """The squared Fréchet distance of two normal distributions."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    first, second = ({"mu": part.mean, "sigma": part.covariance} for part in (generated, real))
    return fid_statistics_to_metric(first, second, verbose=False)[KEY_METRIC_FID]


def influences(features: Tensor, own: Moments, other: Moments) -> numpy.ndarray:
    """How the Fréchet distance of `own`, the moments of features [N, F], to `other` answers to each image: float64 [N].

    The first-order effect of a little more weight on that image, in units of the distance. The derivative by the
    covariance is I - T, T being the optimal transport map between the two normal distributions (Bhatia et al. 2019).
    """
    root = _power(own.covariance, 0.5)
    inverse_root = _power(own.covariance, -0.5)
    transport = inverse_root @ _power(root @ other.covariance @ root, 0.5) @ inverse_root
    gradient = numpy.eye(len(transport)) - transport
    centred = features.double().numpy() - own.mean
    quadratic = ((centred @ gradient) * centred).sum(1)
    linear = 2 * centred @ (own.mean - other.mean).astype(numpy.float64)
    effect = quadratic + linear
    return effect - effect.mean()


def _power(matrix: numpy.ndarray, exponent: float) -> numpy.ndarray:
    """A power of a symmetric positive semidefinite matrix, on its range."""
    values, vectors = numpy.linalg.eigh(matrix)
    kept = values > 1e-10 * max(values[-1], 1e-30)
    powers = numpy.zeros_like(values)
    powers[kept] = values[kept] ** exponent
    return (vectors * powers) @ vectors.T


def extrapolated(features: Tensor, real: Moments, fid: float) -> tuple[float, float] | None:
    """FID at infinitely many samples of features [N, F], whose FID is `fid`, and the variance that extrapolating adds.

    FID is linear in 1/N (Chong & Forsyth 2020, section 3): a line through the mean FIDs of 1, 2, … 5 chunks of all
    samples. None where there are fewer than four samples a feature. The bias of a finite reference remains.
    """
    count, num_features = features.shape
    most = min(MAX_CHUNKS, count // (SAMPLES_PER_FEATURE * num_features))
    if most < 2:
        return None
    numbers = numpy.arange(1, most + 1)
    of_chunks = [
        [frechet_distance(Moments.of(features[part::number]), real) for part in range(number)] for number in numbers[1:]
    ]
    means = numpy.array([fid, *map(numpy.mean, of_chunks)])
    slope, intercept = numpy.polyfit(numbers, means, 1)
    residuals = means - intercept - slope * numbers
    spread = (numbers - numbers.mean()) @ (numbers - numbers.mean())
    variance = residuals @ residuals / max(1, most - 2) * (1 / most + numbers.mean() ** 2 / spread)
    return float(intercept), float(variance)


def fid_figures(features: Tensor, real_features: Tensor, real: Moments, extrapolate: bool) -> dict[str, Figure]:
    """FID of features [N, F] against real ones [M, F] with moments `real`, and FID∞ where asked for and possible.

    Both share their influences: chunks of all samples move together, to first order, as their whole does.
    """
    own = Moments.of(features)
    fid = frechet_distance(own, real)
    effects = group_influences(influences(features, own, real), influences(real_features, real, own))
    figures = {"fid": Figure.of_groups(fid, effects)}
    if extrapolate and (limit := extrapolated(features, real, fid)):
        figures["fid_infinity"] = Figure.of_groups(limit[0], effects, limit[1])
    return figures
