"""FID (Heusel et al. 2017), its extrapolation to infinitely many samples, and the influence of each image on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo, Sizes, group_influence_values

MAX_CHUNKS = 5
SAMPLES_PER_FEATURE = 2
"""The bias falls as 1/N only if N is well above the number of features."""


def enough_for_moments(sizes: Sizes) -> int:
    """The number of samples from which the bias can be estimated, by halving them."""
    return 2 * SAMPLES_PER_FEATURE * sizes.features


METRICS = {
    # The distance between the distributions of features (Heusel et al. 2017).
    "fid": MetricInfo(
        Sentence("FID"),
        "lower",
        Sentence("samples and real images"),
        Sentence(
            "Biased upwards with few samples: the interval reaches down to what infinitely many would give. Never "
            "below 0."
        ),
        min_samples=enough_for_moments,
        meaning=Sentence(
            "The distance between samples and real images by the means and covariances of what a network sees in them."
        ),
    ),
    # The same without the bias of finite samples: extrapolated to infinitely many (Chong & Forsyth 2020).
    "fid_infinity": MetricInfo(
        Sentence("FID∞"),
        "lower",
        Sentence("samples and real images"),
        Sentence("Extrapolated to infinitely many samples; the bias of few real images remains. Never below 0."),
        min_samples=enough_for_moments,
        meaning=Sentence("FID as infinitely many samples would give it."),
    ),
}


@dataclass(frozen=True)
class Moments:
    """The mean float [F] and covariance float64 [F, F] of features, as torch-fidelity computes them."""

    mean: numpy.ndarray
    covariance: numpy.ndarray

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """The moments of features float32 [N, F]."""
        from torch_fidelity.metric_fid import fid_features_to_statistics

        statistics = fid_features_to_statistics(features)
        return cls(statistics["mu"], statistics["sigma"])


def frechet_distance(generated: Moments, real: Moments) -> float:
    """The squared Fréchet distance between two normal distributions (Heusel et al. 2017, equation 6)."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    first, second = ({"mu": part.mean, "sigma": part.covariance} for part in (generated, real))
    return fid_statistics_to_metric(first, second, verbose=False)[KEY_METRIC_FID]


def influence_values(features: Tensor, own: Moments, other: Moments) -> numpy.ndarray:
    """The influence of each image on the Fréchet distance of `own`, the moments of features [N, F], to `other`.

    float64 [N], with mean 0: the derivative of the distance by the weight of the image. The derivative by the
    covariance is I − T, where T is the optimal transport map between the two normal distributions (Bhatia et al. 2019).
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


def chunk_means(features: Tensor, real: Moments, fid: float, most: int) -> numpy.ndarray:
    """The mean FIDs of 1, 2, … `most` chunks of all samples, float64 [most]; `fid` is that of the whole."""
    of_chunks = (
        [frechet_distance(Moments.of(features[part::number]), real) for part in range(number)]
        for number in range(2, most + 1)
    )
    return numpy.array([fid, *map(numpy.mean, of_chunks)])


def extrapolated(means: numpy.ndarray) -> tuple[float, float]:
    """FID at infinitely many samples, from the mean FIDs of 1, 2, … chunks, and the variance that extrapolation adds.

    FID is linear in 1/N (Chong & Forsyth 2020, section 3). The bias of a finite reference remains.
    """
    most = len(means)
    numbers = numpy.arange(1, most + 1)
    slope, intercept = numpy.polyfit(numbers, means, 1)
    residuals = means - intercept - slope * numbers
    spread = (numbers - numbers.mean()) @ (numbers - numbers.mean())
    variance = residuals @ residuals / max(1, most - 2) * (1 / most + numbers.mean() ** 2 / spread)
    return float(intercept), float(variance)


def fid_figures(features: Tensor, real_features: Tensor, real: Moments, extrapolate: bool) -> dict[str, Estimate]:
    """FID of features [N, F] against real ones [M, F] with moments `real`, and FID∞ if `extrapolate`.

    N is at least `enough_for_moments`. Both have the same influence values, as an image moves the FIDs of chunks and of
    the whole alike, to first order. As FID is linear in 1/N, the bias of N samples is what halving them adds.
    """
    count, num_features = features.shape
    own = Moments.of(features)
    fid = frechet_distance(own, real)
    effects = group_influence_values(influence_values(features, own, real), influence_values(real_features, real, own))
    most = min(MAX_CHUNKS, count // (SAMPLES_PER_FEATURE * num_features)) if extrapolate else 2
    means = chunk_means(features, real, fid, most)
    figures = {"fid": Estimate.of_groups(fid, effects, bias=max(0.0, float(means[1] - means[0])))}
    if extrapolate:
        limit, variance = extrapolated(means)
        figures["fid_infinity"] = Estimate.of_groups(limit, effects, variance)
    return {name: figure.within(0.0, math.inf) for name, figure in figures.items()}
