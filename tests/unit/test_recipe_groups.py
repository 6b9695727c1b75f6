"""Groups of training seeds: which runs belong together, what they show, and ranks with Holm's correction."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy
import pytest
from scipy import stats

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.evaluation.comparison import CONFIDENCE, compare, group_ranks
from aigc_core.evaluation.holm import holm
from aigc_core.evaluation.recipes import differences, over_seeds, recipe_id
from aigc_core.evaluation.results import Protocol, Result
from aigc_core.metrics.estimate import Estimate
from tests.benchmarks.recipe_calibration import expected_power, random_outcomes, split_outcomes
from tests.toy_results import ranks

PROTOCOL = Protocol(dataset="toy", dataset_hash="0", num_reference=1000, num_samples=1000)


def result(figure: Estimate) -> Result:
    return Result(protocol=PROTOCOL, figures={"fid": figure})


def config(seen: int = 1000, seconds: float = 10.0, data_hash: str = "", **recipe: Any) -> CheckpointConfig:
    return CheckpointConfig(
        architecture="dcgan",
        shape={"channels": 1, "resolution": 8},
        dataset="toy",
        data_hash=data_hash,
        recipe={"data": "toy"} | recipe,
        samples_seen=seen,
        training_seconds=seconds,
    )


def test_holm_by_hand() -> None:
    """0.005 ≤ 0.05/4, 0.01 ≤ 0.05/3, 0.03 > 0.05/2: that ends it, although 0.04 ≤ 0.05."""
    assert holm(numpy.array([0.01, 0.04, 0.03, 0.005]), 0.05).tolist() == [True, False, False, True]
    assert holm(numpy.array([0.02]), 0.02).tolist() == [True]
    assert holm(numpy.array([]), 0.02).tolist() == []


def test_ranks_allow_for_the_number_of_comparisons() -> None:
    """p = 0.0124 is beyond doubt for one pair (0.02) and not for the smallest of three (0.02 / 3)."""
    low, same, high = (result(Estimate.of_error(value, 0.1)) for value in (1.0, 1.0, 1.0 + 2.5 * 0.1 * 2**0.5))
    assert compare(low, high).outcome == "better"
    assert ranks([low, high], "fid") == [1, 2]
    assert ranks([low, same, high], "fid") == [1, 1, 1]


def test_groups_are_ranked_by_welch_and_holm() -> None:
    draw = numpy.random.default_rng(0)
    values = [draw.normal(mean, 0.1, size).tolist() for mean, size in ((1.0, 4), (1.05, 3), (1.4, 5), (2.0, 2))]
    groups = [[result(Estimate.of_error(value, 0.01)) for value in group] for group in values]
    p_values = {
        pair: float(stats.ttest_ind(values[pair[0]], values[pair[1]], equal_var=False).pvalue)
        for pair in combinations(range(4), 2)
    }
    expected = [1] * 4
    for place, (pair, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value > (1 - CONFIDENCE) / (len(p_values) - place):
            break
        expected[max(pair, key=lambda index: numpy.mean(values[index]))] += 1
    assert group_ranks(groups, "fid") == expected and len({*expected}) > 1


def test_without_sampling_error_the_interval_is_students() -> None:
    values = [1.0, 1.3, 0.9, 1.2, 1.15]
    found = over_seeds([Estimate.of_error(value, 0.0) for value in values])
    expected = stats.t.interval(0.95, len(values) - 1, numpy.mean(values), stats.sem(values))
    assert (found.mean.low, found.mean.high) == pytest.approx(expected)
    assert found.spread == pytest.approx(stats.tstd(values)) and found.count == 5


def test_the_interval_holds_training_and_what_sampling_does_to_all_runs() -> None:
    """Drawn 2,000 times: training, sampling of each run alone, and the real images that all runs share."""
    draw = numpy.random.default_rng(0)
    held, students = [], []
    for _ in range(2000):
        shared = draw.normal(0, 0.7, 50)
        figures = []
        for trained in draw.normal(1.0, 0.05, 5):
            influences = shared + draw.normal(0, 0.3, 50)
            figures.append(Estimate.of_groups(trained + influences.mean(), influences - influences.mean()))
        mean = over_seeds(figures).mean
        held.append(mean.low <= 1.0 <= mean.high)
        low, high = stats.t.interval(0.95, 4, mean.value, stats.sem([figure.value for figure in figures]))
        students.append(low <= 1.0 <= high)
    assert 0.93 < numpy.mean(held) < 0.975 and numpy.mean(students) < 0.7


def test_runs_that_differ_only_in_the_seed_are_one_recipe() -> None:
    first = recipe_id(config(seed=1))
    same = [config(seed=2), config(preset="mine"), config(checkpoint_images=7), config(method="adversarial")]
    assert first and {recipe_id(each) for each in same} == {first}
    others = [config(batch_size=32), config(seen=2000), config(data_hash="0" * 16), config(images=5)]
    assert len({first, *map(recipe_id, others)}) == 5
    assert differences([config(seed=1), *same]) == []
    assert differences([config(batch_size=32), config(seen=2000, batch_size=32), config()]) == [
        "batch_size (32, 64)",
        "samples_seen (1000, 2000)",
    ]
    slow = config(method_config={"learning_rate": 0.1})
    assert differences([config(), slow]) == ["method_config.learning_rate (None, 0.1)"]
    assert recipe_id(CheckpointConfig(architecture="dcgan", shape={}, dataset="toy")) == ""


def test_runs_by_the_clock_are_one_recipe_at_their_ends() -> None:
    """Though one machine shows more samples in that time than another."""

    def by_clock(seen: int, trained: float, seed: int) -> str:
        recipe = {"data": "toy", "seconds": 20.0, "seed": seed}
        return recipe_id(config(seen, trained).model_copy(update={"recipe": recipe}))

    assert by_clock(900, 20.1, 1) == by_clock(1000, 20.0, 2)
    assert by_clock(500, 10.0, 1) not in (by_clock(600, 10.0, 2), by_clock(1000, 20.0, 2))


def test_data_count_by_their_content() -> None:
    places = [config(data_hash="a" * 16).model_copy(update={"recipe": {"data": data}}) for data in ("here", "there")]
    assert len({*map(recipe_id, places)}) == 1


def test_when_checkpoints_are_kept_is_no_part_of_a_recipe_nor_are_the_samples_of_one_by_the_clock() -> None:
    """By the names of today and by those that recipes had before."""
    kept = [config(checkpoint_images=5), config(checkpoint_samples=7), config()]
    assert len({*map(recipe_id, kept)}) == 1
    timed = [
        config(900, 20.1).model_copy(update={"recipe": {"data": "toy", "seconds": 20.0, name: 5}})
        for name in ("images", "samples", "seed")
    ]
    assert len({*map(recipe_id, timed)}) == 1


@pytest.mark.parametrize("value", [2.5, 2.7])  # the mean of three of the latter is rounded
def test_recipes_that_do_not_vary_are_alike_without_a_smallest_difference(value: float) -> None:
    three, two = ([result(Estimate.of_error(value, 0.1))] * count for count in (3, 2))
    said = compare(three, two).sentence("a", "b")
    assert said.startswith("a and b cannot be told apart: FID 2.") and said.endswith("over 2 training seeds).")
    assert compare(three, three).sentence("a", "b").startswith("a and b have the very same FID: 2.")


def test_verdicts_on_recipes_are_calibrated() -> None:
    """At most 2 % of equal recipes, and a gap of one spread as often as the noncentral t distribution has it."""
    trials, runs = 400, 5

    def chance(share: float) -> float:
        return 3 * (share * (1 - share) / trials) ** 0.5

    assert trials - random_outcomes(0.0, runs, trials).count("tie") <= trials * (0.02 + chance(0.02))
    for gap in (1.0, 2.5):
        expected = expected_power(gap, runs)
        # Welch's test has a little less power than Student's, for which the distribution is exact.
        found = random_outcomes(gap, runs, trials).count("better") / trials
        assert found == pytest.approx(expected, abs=chance(expected) + 0.02)


def test_halves_of_one_recipe_are_not_told_apart() -> None:
    fids = [0.652, 0.573, 0.868, 0.526, 0.996, 0.61, 0.7, 0.64]
    found = split_outcomes(fids)
    assert len(found) == 70 and len(found) - found.count("tie") <= 0.02 * len(found)
