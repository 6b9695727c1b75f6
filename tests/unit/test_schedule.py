"""Schedules, against values worked out by hand."""

import pytest

from aigc_core import AIGCError
from aigc_core.config import Config, parse_config
from aigc_core.families.base import StepState
from aigc_core.families.schedule import NonNegativeSchedule, Schedule, ShareSchedule, value_at, warm_up


class Recipe(Config):
    rate: Schedule = 0.0
    weight: NonNegativeSchedule = 0.0
    share: ShareSchedule = 0.0


def at(schedule: object, progress: float = 0.0, samples: int = 0) -> float:
    state = StepState(0, progress, samples, None)  # type: ignore[arg-type]  # schedules draw nothing
    return value_at(parse_config(Recipe, {"rate": schedule}, "recipe").rate, state)


def test_a_number_is_constant() -> None:
    assert at(0.25) == at(0.25, 1.0, 10**9) == at("0.25") == 0.25


def test_linear_decay() -> None:
    """2 until 60 % of the run; at 80 %, half of what then falls to 0."""
    decay = {"value": 2.0, "decay_from": 0.6}
    assert [at(decay, progress) for progress in (0.0, 0.6, 0.8, 1.0)] == pytest.approx([2.0, 2.0, 1.0, 0.0])
    assert at({"value": 2.0, "decay_from": 1}, 1.0) == 2.0


def test_cosine() -> None:
    """cos 0 = 1, cos π/3 = ½, cos π/2 = 0, cos π = −1: at a third of the way a quarter of the change is done."""
    fall, rise = {"start": 8.0, "end": 4.0, "samples": 300}, {"start": 0.0, "end": 4.0, "samples": 300}
    samples = (0, 100, 150, 300, 301, 10**9)
    assert [at(fall, 1.0, count) for count in samples] == pytest.approx([8, 7, 6, 4, 4, 4])
    assert [at(rise, 0.0, count) for count in samples] == pytest.approx([0, 1, 2, 4, 4, 4])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": "fast"}, "'rate' is wrong: it must be a number"),
        ({"rate": {"value": 1}}, "'rate.decay_from' is missing"),
        ({"rate": {"value": 1, "decay_from": 2}}, "'rate.decay_from' is wrong"),
        ({"rate": {"start": 1, "stop": 2, "samples": 3}}, "'rate.end' is missing"),
        ({"rate": {"start": 1, "end": 2, "samples": 0}}, "'rate.samples' is wrong"),
        ({"weight": {"start": 1, "end": -2, "samples": 3}}, "'weight' is wrong.*at least 0"),
        ({"weight": -1}, "'weight' is wrong.*at least 0"),
        ({"share": {"value": 1.5, "decay_from": 0}}, "'share' is wrong.*between 0 and 1"),
    ],
)
def test_what_is_no_schedule(settings: dict, sentence: str) -> None:
    with pytest.raises(AIGCError, match=sentence):
        parse_config(Recipe, settings, "recipe")


def test_a_rate_warms_up_in_a_straight_line() -> None:
    assert [warm_up(done, 4) for done in range(7)] == [0, 0.25, 0.5, 0.75, 1, 1, 1]
    assert warm_up(0, 0) == 1
