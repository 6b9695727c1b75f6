"""Feature likelihood divergence, FLD (Jiralerspong et al. 2023, arXiv 2302.04440): quality and copying in one number.

The generated samples are the centres of a mixture of Gaussians in feature space, whose variances are fitted to the
training images; the mixture is then judged by the likelihood of held-out images. A copy of a training image wins by a
narrow Gaussian, which gives held-out images next to nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aigc_core.errors import Sentence
from aigc_core.rng import seeded_generator

from .estimate import Estimate, MetricInfo, Sizes, group_influence_values
from .neighbours import distances

CENTRES = 2000
"""How many samples are centres of the mixture; the paper takes 10,000, at five times the cost."""
TRAINING = 50_000
"""The most training images that variances are fitted to; copies of all others pass for new."""
BATCH_SIZE = 10_000
LEARNING_RATE = 0.5
MAX_EPOCHS = 50
PATIENCE = 5
"""The fit ends when the loss is within TOLERANCE of that of each of so many epochs before."""
TOLERANCE = 5e-4
LEAST_SQUARE = 1e-3
"""Squared distances below it are rounding: the least variance is this over the number of features."""
BASE_SCALE = 0.9


def all_centres(sizes: Sizes) -> int:
    """As many as are looked at: fewer give a lower likelihood."""
    return CENTRES


METRICS = {
    "fld": MetricInfo(
        Sentence("FLD"),
        "lower",
        Sentence("a model whose training images are here and are not the reference"),
        Sentence(
            "Training images in place of samples give 0, and it may fall below. The first {centres:,} samples are "
            "looked at, and at most {training:,} training images.",
            centres=CENTRES,
            training=TRAINING,
        ),
        min_samples=all_centres,
        lowest=-math.inf,
        meaning=Sentence(
            "How unlikely held-out images are under Gaussians around the samples: poor, uniform or copied samples "
            "raise it."
        ),
        on_request=True,
    ),
}


def feature_likelihood_divergence(
    generated: Tensor, training: Tensor, held_out: Tensor, baseline: Tensor | None = None
) -> Estimate:
    """FLD of generated features [N, F], of which CENTRES are used, with training [M, F] and held-out ones [T, F].

    −100/F times the mean log-likelihood of held-out features, less the constant C of the data set (section 3): the same
    number for a mixture about training images (`baseline`: `baseline_losses`, if already computed). The interval, with
    the variances as they are, holds the error of the held-out images and, by the effect of each
    component's weight (the infinitesimal jackknife), that of the samples.
    """
    centres = generated[:CENTRES]
    if baseline is None:
        baseline = baseline_losses(training, held_out, len(centres))
    training, held_out, centres = _standardised(training, held_out, centres)
    losses, weight_effects = losses_of(held_out, centres, fitted_log_variances(centres, training))
    differences = losses - baseline
    influence_values = group_influence_values((differences - differences.mean()).numpy(), weight_effects.numpy())
    return Estimate.of_groups(float(differences.mean()), influence_values)


def baseline_losses(training: Tensor, held_out: Tensor, count: int) -> Tensor:
    """For each held-out image what a mixture about training images loses: C is their mean, float64 [T].

    As in the authors' code, its centres are `count` training images, at most half of them, and its variances are fitted
    to the others.
    """
    training, held_out = _standardised(training, held_out)
    count = min(count, CENTRES, len(training) // 2)
    centres, others = training[:count], training[count:]
    return losses_of(held_out, centres, fitted_log_variances(centres, others))[0]


def losses_of(features: Tensor, centres: Tensor, log_variances: Tensor) -> tuple[Tensor, Tensor]:
    """−100/F · log-likelihood of each of the features [T, F] in a mixture with centres [N, F], equally weighted.

    Also the effect on their mean of each component's weight. Both float64, [T] and [N].
    """
    count, size = centres.shape
    losses, shares = torch.empty(len(features), dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    for rows, tile in distances(features, centres):
        parts = _log_densities(tile.square(), log_variances, size).double()
        likelihoods = parts.logsumexp(1)
        losses[rows] = -100 / size * (likelihoods - math.log(count))
        shares += (parts - likelihoods[:, None]).exp().sum(0)
    return losses, -100 / size * (count * shares / len(features) - 1)


def fitted_log_variances(centres: Tensor, training: Tensor) -> Tensor:
    """Log-variances float32 [N], one for each of the centres [N, F], that make training features [M, F] most likely.

    Adam, from the distance of each centre to the nearest training image on, as the authors' code does it. Each image
    has a base likelihood beside the mixture's, so that one that no sample is near to widens none: a Gaussian
    about the mean of the training images, of fitted variance, at BASE_SCALE of the distance.
    """
    count, size = centres.shape
    squares = torch.empty(len(training), count)
    for rows, tile in distances(training, centres):
        squares[rows] = tile.square()
    base_squares = BASE_SCALE**2 * (training - training.mean(0)).square().sum(1)
    least = math.log(LEAST_SQUARE / size)
    with torch.enable_grad():
        log_variances = ((squares.amin(0) + LEAST_SQUARE) / size).log().requires_grad_()
        base_log_variance = torch.zeros((), requires_grad=True)
        optimizer = torch.optim.Adam([log_variances, base_log_variance], lr=LEARNING_RATE)
        history: list[float] = []
        for _ in range(MAX_EPOCHS):
            total = 0.0
            for part, base_part in zip(squares.split(BATCH_SIZE), base_squares.split(BATCH_SIZE)):
                mixture = _log_densities(part, log_variances, size).logsumexp(1) - math.log(count)
                base = _log_densities(base_part, base_log_variance, size)
                loss = -torch.logaddexp(mixture, base).mean() / size
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                log_variances.data.clamp_(min=least)
                total += loss.item() * len(part) / len(training)
            if len(history) > PATIENCE and max(abs(total - each) for each in history[-PATIENCE:]) < TOLERANCE:
                break
            history.append(total)
    return log_variances.detach()


def _standardised(training: Tensor, *others: Tensor) -> list[Tensor]:
    """At most TRAINING of the training features in random order, and others, as deviations from the mean of these.

    In units of their standard deviation; the authors' code takes both from the test set.
    """
    order = torch.randperm(len(training), generator=seeded_generator(0, 0))
    training = training[order[:TRAINING]]
    deviation, mean = torch.std_mean(training, dim=0)
    # A feature that never changes, such as that of a dead unit, has no unit of its own.
    scale = torch.where(deviation > 0, deviation, 1.0)
    return [(features - mean) / scale for features in (training, *others)]


def _log_densities(squares: Tensor, log_variances: Tensor, size: int) -> Tensor:
    """Log-densities of isotropic Gaussians of `size` dimensions at squared distances from their centres."""
    return -0.5 * (squares * (-log_variances).exp() + size * (log_variances + math.log(2 * math.pi)))
