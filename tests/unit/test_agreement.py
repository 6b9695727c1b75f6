"""Rank agreement of two extractors: by hand and by scipy's own bootstrap, and as a command over stored results."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
from scipy.stats import bootstrap, kendalltau

from aigc_core import AIGCError
from aigc_core.cli import main
from aigc_core.evaluation.agreement import judged_by_both, rank_agreement
from aigc_core.evaluation.results import read_results, write_result
from tests.toy_results import evaluated_run, toy_result


def test_tau_counts_pairs_by_hand() -> None:
    """Of six pairs, five are in one order by both; and of the reverse none."""
    found = rank_agreement([1, 2, 3, 4], [10, 30, 20, 40])
    assert found.tau == pytest.approx((5 - 1) / 6) and found.count == 4
    assert rank_agreement([1, 2, 3], [3, 2, 1]).tau == -1


def test_so_few_that_their_order_may_be_chance_have_no_interval() -> None:
    """Of the 6 orders of three, 2 are the same or reversed; of the 24 of four, 1 + 3 have no or one pair exchanged, and
    as many all but none or one."""
    for first, second, share in (
        ([1, 2, 3], [10, 20, 30], 2 / 6),
        ([1, 2, 3], [30, 20, 10], 2 / 6),
        ([1, 2, 3, 4], [1, 2, 3, 4], 2 / 24),
        ([1, 2, 3, 4], [1, 3, 2, 4], 8 / 24),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 2 / 120),
    ):
        found = rank_agreement(first, second)
        assert found.interval is None and found.chance == pytest.approx(share)
    found = rank_agreement([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])
    assert found.interval and found.interval[0] < found.tau < found.interval[1]


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    draw = numpy.random.default_rng(3)
    first = draw.normal(size=30)
    second = first + draw.normal(size=30)
    theirs = bootstrap(
        (first, second), lambda a, b: kendalltau(a, b)[0], paired=True, vectorized=False, n_resamples=2000,
        method="percentile", rng=numpy.random.default_rng(4),
    ).confidence_interval  # fmt: skip
    found = rank_agreement(first.tolist(), second.tolist())
    assert found.tau == kendalltau(first, second)[0]
    assert found.interval == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_what_cannot_be_ranked_is_said() -> None:
    with pytest.raises(AIGCError, match="Ranks of 2 checkpoints say nothing"):
        rank_agreement([1, 2], [1, 2])
    with pytest.raises(AIGCError, match="gives all checkpoints the same value"):
        rank_agreement([1, 1, 1], [1, 2, 3])


def judged_again(run: Path, values: list[float], **protocol: object) -> None:
    """Results of another extractor beside those that a run of steps has."""
    for step, value in zip(sorted(run.iterdir()), values, strict=True):
        result = toy_result(value)
        changed = result.protocol.model_copy(update={"extractor": "other", "extractor_hash": "1"} | protocol)
        write_result(result.model_copy(update={"protocol": changed}), step)


def test_the_command_compares_what_both_have_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = evaluated_run(tmp_path / "run", [5.0, 4.0, 3.0, 2.0, 1.0])
    few = evaluated_run(tmp_path / "few", [3.0, 2.0, 1.0])
    assert main(["agreement", "toy-classifier", "other", str(run)]) == 2
    assert "No checkpoint here has results of both 'toy-classifier' and 'other'" in capsys.readouterr().err
    judged_again(run, [50.0, 40.0, 20.0, 30.0, 10.0], channels=3)
    judged_again(few, [30.0, 20.0, 10.0])
    judged_again(evaluated_run(tmp_path / "alone", [9.0]), [9.0], num_samples=500)
    assert main(["agreement", "toy-classifier", "other", str(run), str(tmp_path / "alone")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Kendall's tau 0.800 +\[-?[\d.]+, 1.000\] over 5 checkpoints", printed)
    assert "alone" not in printed
    assert main(["agreement", "toy-classifier", "other", str(few)]) == 0
    said = "tau 1.000 over 3 checkpoints, too few for an interval: of all their orders, 0.33 agree or disagree as much"
    assert said in capsys.readouterr().out


def test_results_under_unlike_protocols_are_no_pair(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "run", [1.0])
    judged_again(run, [1.0], split="train")
    (step,) = run.iterdir()
    assert judged_by_both([("run", read_results(step))], "toy-classifier", "other", "fid") == {}
