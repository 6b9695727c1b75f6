"""Schedules: values over training, such as a learning rate; in a recipe, a number or a small mapping."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag

from aigc_core.config import Config
from aigc_core.errors import Sentence

from .base import StepState


class LinearDecay(Config):
    """`value` until the share `decay_from` of the run is done, then linear decay to 0 at its end."""

    value: float
    decay_from: float = Field(ge=0, le=1)

    @property
    def bounds(self) -> tuple[float, float]:
        return min(0.0, self.value), max(0.0, self.value)

    def at(self, state: StepState) -> float:
        if state.progress <= self.decay_from:
            return self.value
        return self.value * max(0.0, (1 - state.progress) / (1 - self.decay_from))


class Cosine(Config):
    """From `start` to `end` along half a cosine (Loshchilov & Hutter 2017, equation 5) over `samples` samples.

    It stays at `end` after that. Samples are counted as `StepState.samples_seen`.
    """

    start: float
    end: float
    samples: float = Field(gt=0)

    @property
    def bounds(self) -> tuple[float, float]:
        return min(self.start, self.end), max(self.start, self.end)

    def at(self, state: StepState) -> float:
        if state.samples_seen >= self.samples:
            return self.end
        remaining = (1 + math.cos(math.pi * state.samples_seen / self.samples)) / 2
        return self.start + (1 - remaining) * (self.end - self.start)


def _kind(value: object) -> str:
    if isinstance(value, LinearDecay) or (isinstance(value, dict) and not {"start", "end", "samples"} & value.keys()):
        return "linear decay"
    return "cosine" if isinstance(value, Cosine | dict) else "number"


Schedule = Annotated[
    Annotated[float, Tag("number")] | Annotated[LinearDecay, Tag("linear decay")] | Annotated[Cosine, Tag("cosine")],
    Discriminator(_kind),
]
"""A constant 1.0e-3, `{value: 1.0e-3, decay_from: 0.6}`, or `{start: 2.0e-4, end: 5.0e-5, samples: 20_000_000}`."""


def value_at(schedule: float | LinearDecay | Cosine, state: StepState) -> float:
    """The value that a schedule has in a step."""
    return schedule if isinstance(schedule, int | float) else schedule.at(state)


def warm_up(done: float, length: float) -> float:
    """The factor of a linear warm-up of the given length, of which `done` is over: from 0 to 1, and 1 afterwards."""
    return min(1.0, done / length) if length else 1.0


def bounds(schedule: float | LinearDecay | Cosine) -> tuple[float, float]:
    """The smallest and the largest value of a schedule."""
    return (schedule, schedule) if isinstance(schedule, int | float) else schedule.bounds


def within(low: float, high: float = math.inf) -> AfterValidator:
    """A validator for schedules: all values must lie in [low, high]."""

    def check(schedule: float | LinearDecay | Cosine) -> float | LinearDecay | Cosine:
        smallest, largest = bounds(schedule)
        if not low <= smallest <= largest <= high:
            at_least = Sentence("its values must be at least {low:g}", low=low)
            between = Sentence("its values must be between {low:g} and {high:.9g}", low=low, high=high)
            raise ValueError(at_least if high == math.inf else between)
        return schedule

    return AfterValidator(check)


NonNegativeSchedule = Annotated[Schedule, within(0)]
ShareSchedule = Annotated[Schedule, within(0, 1)]
