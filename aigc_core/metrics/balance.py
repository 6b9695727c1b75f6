"""Is every class there, and in its share? The fairness audit, as the extractor's classifier sees samples and data."""

from __future__ import annotations

import numpy
from torch import Tensor
from torch.nn import functional

from .estimate import Figure, group_influences

PRESENT = 0.1
"""The part of its share of the data that a class needs among the samples to count as present."""


def class_shares(logits: Tensor) -> list[Figure]:
    """For each of K classes the share of images with logits [N, K] that fall into it."""
    counts = logits.argmax(1).bincount(minlength=logits.shape[1]).tolist()
    return [Figure.of_share(count / len(logits), len(logits)) for count in counts]


def mode_coverage(shares: list[Figure], real_shares: list[Figure]) -> Figure:
    """The share of the data's classes that are present; its interval counts with the ends of the classes' intervals."""
    pairs = [(share, PRESENT * real.value) for share, real in zip(shares, real_shares) if real.value > 0]
    present, low, high = (
        sum(getattr(share, end) >= needed for share, needed in pairs) / len(pairs) for end in ("value", "low", "high")
    )
    return Figure(value=present, low=low, high=high)


def class_imbalance(logits: Tensor, real_logits: Tensor) -> Figure:
    """The total variation distance of the classes' shares: how many samples in all would have to change class."""
    found, real = (functional.one_hot(part.argmax(1), part.shape[1]).double().numpy() for part in (logits, real_logits))
    difference = found.mean(0) - real.mean(0)
    effects, real_effects = ((part - part.mean(0)) @ numpy.sign(difference) / 2 for part in (found, real))
    return Figure.of_groups(float(abs(difference).sum() / 2), group_influences(effects, -real_effects))
