"""A measured value with its interval, and the influence of each part of the data on it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy
from pydantic import AliasChoices, Field, model_validator

from aigc_core.config import Config

GROUPS = 50
"""Samples and reference images are cut into this many groups: image k is in group k modulo GROUPS."""
Z_95 = 1.96
"""Standard errors on each side of a 95 % interval."""


@dataclass(frozen=True)
class Sizes:
    """What a metric is computed from: how many features, classes (0 without a classifier) and real images."""

    features: int
    classes: int
    real: int


def smallest_tried(sizes: Sizes) -> int:
    """50 samples: from this number on, intervals of unbiased metrics contained the value of 10,000 samples."""
    return 50


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is shown and read, what it needs, and how far its estimates can be trusted.

    `needs`: what it takes to measure it. `caveat`: one sentence on bias and range, shown beside every estimate.
    `meaning`: one sentence on what it measures, for readers who do not know it.
    `min_samples`: the number of samples from which its interval contains the value of 10,000 samples, found with
    `python -m tests.benchmarks.sample_sizes`; with fewer it is not measured. `lowest` and `highest`: the range of
    possible values. `audit`: whether it looks for a fault rather than for quality. `on_request`: whether it costs so
    much that it is measured only if it is named.
    """

    title: str
    better: Literal["lower", "higher"]
    needs: str
    caveat: str
    meaning: str
    min_samples: Callable[[Sizes], int] = smallest_tried
    lowest: float = 0.0
    highest: float = math.inf
    audit: bool = False
    on_request: bool = False

    @property
    def arrow(self) -> str:
        """An arrow in the direction of better values."""
        return "↓" if self.better == "lower" else "↑"


class Estimate(Config):
    """A value with its 95 % interval, from sampling error (that of the samples and that of the reference) and bias.

    `standard_error`: of sampling alone; by default the one that the interval implies. `bias`: how far the small number
    of samples is expected to have moved the value, estimated from the samples; None if it was not estimated. The
    interval extends 1.96 standard errors beyond the value and beyond the value without the bias, within the range of
    possible values.
    `influence_values`: for each of several parts of the samples and of the reference, how far it moves the value,
    scaled so that their variance over their number is the variance of the value. A part has the same seeds and the same
    reference images in every result of a protocol, so the difference of two results is known better than each of them.
    Empty if not measured; called `influences` in results of earlier versions.
    """

    value: float
    low: float
    high: float
    standard_error: float = Field(default=0.0, ge=0)
    bias: float | None = None
    influence_values: tuple[float, ...] = Field(
        default=(), validation_alias=AliasChoices("influence_values", "influences")
    )

    @model_validator(mode="before")
    @classmethod
    def _error_of_interval(cls, values: Any) -> Any:
        """Results of earlier versions have symmetric intervals, without bias, and no standard error of their own, or
        none for a share of all cases or of none."""
        if isinstance(values, dict) and not values.get("standard_error"):
            low, high = values.get("low"), values.get("high")
            if isinstance(low, (int, float)) and isinstance(high, (int, float)):
                return values | {"standard_error": max(0.0, high / 2 - low / 2) / Z_95}
        return values

    def columns(self, name: str) -> dict[str, float]:
        """The value and both ends of the interval, under `name`, `name_low` and `name_high`."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    @classmethod
    def of_error(
        cls, value: float, standard_error: float, influence_values: Sequence[float] = (), bias: float | None = None
    ) -> Estimate:
        """value ± 1.96 standard errors, extended on one side by the bias."""
        margin = Z_95 * standard_error
        return cls(
            value=value,
            low=value - margin - max(bias or 0.0, 0.0),
            high=value + margin - min(bias or 0.0, 0.0),
            standard_error=standard_error,
            bias=bias,
            influence_values=_rounded(influence_values),
        )

    @classmethod
    def of_groups(
        cls, value: float, influence_values: numpy.ndarray, more_variance: float = 0.0, bias: float | None = None
    ) -> Estimate:
        """A value with the error that its influence values, and a variance from elsewhere, imply."""
        variance = float(numpy.var(influence_values, ddof=1)) / len(influence_values)
        return cls.of_error(value, math.sqrt(variance + more_variance), influence_values.tolist(), bias)

    @classmethod
    def of_share(cls, share: float, count: int, influence_values: numpy.ndarray | None = None) -> Estimate:
        """A share of `count` cases, with Wilson's interval (Wilson 1927), which stays between 0 and 1. Of all cases, or
        of none, it implies the standard error as well.

        Without influence values the cases are independent; otherwise it is the interval of as many independent cases
        as would have the error that the influence values imply.
        """
        spread = share * (1 - share)
        error = math.sqrt(spread / count)
        if influence_values is not None:
            error = math.sqrt(float(numpy.var(influence_values, ddof=1)) / len(influence_values))
        effective = min(float(count), spread / error**2) if spread * error > 0 else float(count)
        z = Z_95
        centre = (share + z * z / (2 * effective)) / (1 + z * z / effective)
        margin = z / (1 + z * z / effective) * math.sqrt(spread / effective + z * z / (4 * effective**2))
        low, high = max(0.0, min(share, centre - margin)), min(1.0, max(share, centre + margin))
        return cls(
            value=share,
            low=low,
            high=high,
            standard_error=error or (high - low) / 2 / Z_95,
            influence_values=_rounded([] if influence_values is None else influence_values.tolist()),
        )

    def within(self, lowest: float, highest: float) -> Estimate:
        """A copy with value and interval clipped to the range of possible values."""
        inside = {name: min(max(getattr(self, name), lowest), highest) for name in ("value", "low", "high")}
        return self.model_copy(update=inside)

    @property
    def half_width(self) -> float:
        """The larger distance from the value to an end of the interval."""
        return min(max(self.high - self.value, self.value - self.low), sys.float_info.max)

    def __str__(self) -> str:
        """value ± half_width, to its second significant digit; value [low, high] where the sides differ."""
        exponent = int(f"{self.half_width:.1e}".partition("e")[2])
        decimals = max(0, 1 - exponent) if self.half_width > 0 else 4
        value, low, high, up, down = (
            f"{part:.{decimals}f}"
            for part in (self.value, self.low, self.high, self.high - self.value, self.value - self.low)
        )
        return f"{value} ± {up}" if up == down else f"{value} [{low}, {high}]"


def _rounded(influence_values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{influence:.4g}") for influence in influence_values)


def group_influence_values(*effects: numpy.ndarray) -> numpy.ndarray:
    """The influence values of the groups of one or two independent sides, from each image's effect [N] on the value.

    float64 [GROUPS], or as many as the smaller side has images: the sum over the sides of a group's mean effect.
    """
    groups = min([GROUPS, *map(len, effects)])
    return numpy.array([sum(side[group::groups].mean() for side in effects) for group in range(groups)])
