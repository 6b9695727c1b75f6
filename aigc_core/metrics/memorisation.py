"""Does a generator copy its training images? Samples against the training set, held-out images as the control."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo
from .neighbours import nearest

AUDITED = 2000
"""How many samples, and how many held-out images, are compared with the training set."""
NEAREST = 50
CHANCE = 0.01
"""The share of held-out images that the threshold calls copies."""
METRICS = {
    "memorisation": MetricInfo(
        Sentence("Memorisation"),
        "lower",
        Sentence("a model whose training images are here and are not the reference"),
        Sentence(
            "{chance:.0%} is chance. Unbiased for any number of samples, of which {audited:,} at most are looked at.",
            chance=CHANCE,
            audited=AUDITED,
        ),
        highest=1.0,
        audit=True,
        meaning=Sentence(
            "The share of samples that are nearer to a training image than all but 1 % of held-out images."
        ),
    ),
}


@dataclass(frozen=True)
class Resemblance:
    """For each of N images its nearest training images: scores and distances float32 [N], indices int64 [N, 50].

    `distances` are those to the nearest one. `scores` are these over the mean distance to the 50 nearest, near 0 for a
    copy (Carlini et al. 2023, section 5.1): what is near to everything, as in a dense part of the data, is no copy.
    """

    scores: Tensor
    distances: Tensor
    indices: Tensor


def resemblance(features: Tensor, training: Tensor) -> Resemblance:
    """How features [N, F] resemble those of training images [M, F]."""
    found, indices = nearest(features, training, min(NEAREST, len(training)))
    return Resemblance(found[:, 0] / found.mean(1).clamp_min(1e-12), found[:, 0], indices)


def memorised_share(scores: Tensor, held_out: Tensor) -> Estimate:
    """The share of samples with scores [N] below what all but 1 % of held-out images with scores [M] are above.

    The interval holds the error of both shares: of the samples below the threshold, and of the threshold itself.
    """
    threshold = torch.quantile(held_out, CHANCE)
    share = (scores < threshold).float().mean().item()
    figure = Estimate.of_share(share, len(scores))
    # A threshold that is off by a share e of the held-out images moves the samples' share by about e · share / CHANCE.
    of_threshold = math.sqrt((1 - CHANCE) / (CHANCE * len(held_out))) * share
    reach = [math.hypot(end - share, 1.96 * of_threshold) for end in (figure.low, figure.high)]
    return Estimate(value=share, low=max(0.0, share - reach[0]), high=min(1.0, share + reach[1]))
