"""A measured value with its interval, and what each part of the data did to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy

from aigc_core.config import Config

GROUPS = 50
"""Samples and reference images are cut into this many groups: image k is in group k modulo GROUPS."""
Z_95 = 1.96
"""Standard errors on each side of a 95 % interval."""


class Figure(Config):
    """A value with its 95 % interval from sampling error, that of the samples and that of the reference.

    `influences`: for each of some parts of the samples and of the reference, how far it moves the value, on such a
    scale that their variance over their number is the value's. A part holds the same seeds and the same reference
    images in every result of a protocol, so the difference of two results is known better than each of them. Empty
    where they were not measured.
    """

    value: float
    low: float
    high: float
    influences: tuple[float, ...] = ()

    @classmethod
    def of_error(cls, value: float, standard_error: float, influences: Sequence[float] = ()) -> Figure:
        """value ± 1.96 standard errors."""
        reach = Z_95 * standard_error
        rounded = tuple(float(f"{influence:.4g}") for influence in influences)
        return cls(value=value, low=value - reach, high=value + reach, influences=rounded)

    @classmethod
    def of_groups(cls, value: float, influences: numpy.ndarray, more_variance: float = 0.0) -> Figure:
        """A value with the error that its influences, and a variance from elsewhere, imply."""
        variance = float(numpy.var(influences, ddof=1)) / len(influences)
        return cls.of_error(value, math.sqrt(variance + more_variance), influences.tolist())

    @classmethod
    def of_share(cls, share: float, count: int) -> Figure:
        """A share of `count` independent cases, with Wilson's interval (Wilson 1927)."""
        z = Z_95
        centre = (share + z * z / (2 * count)) / (1 + z * z / count)
        reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        return cls(value=share, low=min(share, centre - reach), high=max(share, centre + reach))

    @property
    def standard_error(self) -> float:
        """reach / 1.96."""
        return self.reach / Z_95

    @property
    def reach(self) -> float:
        """Half the interval's width: what stands behind the ±."""
        return self.high / 2 - self.low / 2

    def __str__(self) -> str:
        """value ± reach, to the second significant digit of the reach."""
        exponent = int(f"{self.reach:.1e}".partition("e")[2])
        decimals = max(0, 1 - exponent) if self.reach > 0 else 4
        return f"{self.value:.{decimals}f} ± {self.reach:.{decimals}f}"


def group_influences(*effects: numpy.ndarray) -> numpy.ndarray:
    """The influences of the groups of one or two independent sides, from each image's effect [N] on the value.

    float64 [GROUPS], or as many as the smaller side has images: the sum over the sides of a group's mean effect.
    """
    groups = min([GROUPS, *map(len, effects)])
    return numpy.array([sum(side[group::groups].mean() for side in effects) for group in range(groups)])
