"""Is every class there, and in its share? The fairness audit, as the extractor's classifier sees samples and data."""

from __future__ import annotations

import math

import numpy
from torch import Tensor
from torch.nn import functional

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo, group_influence_values, smallest_tried

PRESENT = 0.1
"""The part of its share of the data that a class needs among the samples to count as present."""
SAMPLES_PER_CLASS = 10
METRICS = {
    "mode_coverage": MetricInfo(
        Sentence("Mode coverage"),
        "higher",
        Sentence("the classifier of the data as extractor"),
        Sentence("Tells a rare class from a missing one only with ten samples a class or more. From 0 to 1."),
        min_samples=lambda sizes: max(smallest_tried(sizes), SAMPLES_PER_CLASS * sizes.classes),
        highest=1.0,
        audit=True,
        meaning=Sentence(
            "The share of the data's classes that have at least a tenth of their share among the samples."
        ),
    ),
    # Total variation.
    "class_imbalance": MetricInfo(
        Sentence("Class imbalance"),
        "lower",
        Sentence("the classifier of the data as extractor"),
        Sentence(
            "Biased upwards with few samples, whose classes chance alone unbalances: the interval reaches down to what "
            "infinitely many may give. From 0 to 1."
        ),
        highest=1.0,
        audit=True,
        meaning=Sentence("The share of samples that would have to change class to give the data's shares."),
    ),
}


def class_shares(logits: Tensor) -> list[Estimate]:
    """For each of K classes the share of images with logits [N, K] that fall into it."""
    counts = logits.argmax(1).bincount(minlength=logits.shape[1]).tolist()
    return [Estimate.of_share(count / len(logits), len(logits)) for count in counts]


def mode_coverage(shares: list[Estimate], real_shares: list[Estimate]) -> Estimate:
    """The share of the data's classes that are present; its interval counts with the ends of the classes' intervals."""
    pairs = [(share, PRESENT * real.value) for share, real in zip(shares, real_shares) if real.value > 0]
    present, low, high = (
        sum(getattr(share, end) >= needed for share, needed in pairs) / len(pairs) for end in ("value", "low", "high")
    )
    return Estimate(value=present, low=low, high=high)


def class_imbalance(logits: Tensor, real_logits: Tensor) -> Estimate:
    """The total variation distance of the classes' shares: how many samples in all would have to change class.

    Its bias is at most what equal shares would give: half the mean absolute values of normal differences.
    """
    found, real = (functional.one_hot(part.argmax(1), part.shape[1]).double().numpy() for part in (logits, real_logits))
    difference = found.mean(0) - real.mean(0)
    effects, real_effects = ((part - part.mean(0)) @ numpy.sign(difference) / 2 for part in (found, real))
    errors = numpy.sqrt(found.var(0) / len(found) + real.var(0) / len(real))
    bias = float(errors.sum() / math.sqrt(2 * math.pi))
    distance = float(abs(difference).sum() / 2)
    return Estimate.of_groups(distance, group_influence_values(effects, -real_effects), bias=bias).within(0.0, 1.0)
