"""A measured value with its interval, and what each part of the data did to it."""

from __future__ import annotations

import math

from ..config import Config

GROUPS = 50
"""Samples and reference images are cut into this many groups, by index modulo GROUPS."""
Z_95 = 1.96
"""Standard errors on each side of a 95 % interval."""


class Figure(Config):
    """A value with its 95 % interval from sampling error.

    `sample_influences`, `reference_influences`: for each of GROUPS groups of samples and of reference images, how far
    the value would move if all were as that group is (to first order); they sum to zero, and their variance over
    GROUPS is the value's. Groups of one number hold the same seeds in every result of a protocol, and the same
    reference images, so the difference of two results is known better than each of them. Empty where the influences
    were not measured.
    """

    value: float
    low: float
    high: float
    sample_influences: tuple[float, ...] = ()
    reference_influences: tuple[float, ...] = ()

    @classmethod
    def of_error(cls, value: float, standard_error: float) -> Figure:
        """value ± 1.96 standard errors."""
        reach = Z_95 * standard_error
        return cls(value=value, low=value - reach, high=value + reach)

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
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        """value ± reach, to the second significant digit of the reach."""
        decimals = max(0, 1 - math.floor(math.log10(self.reach))) if self.reach > 0 else 4
        return f"{self.value:.{decimals}f} ± {self.reach:.{decimals}f}"
