"""How often is the verdict on two recipes right? One recipe's runs split at random must tie; a true gap must be found.

    python -m tests.benchmarks.recipe_calibration [FOLDER …] [--trials 2000]

FOLDER: that of a recipe, whose newest checkpoints of all training seeds were evaluated by one protocol
(`train --seeds 10`, `evaluate`). Its FIDs are split into two halves in every way there is, and `compare` judges the
halves: a verdict is false. The same is drawn from a normal distribution of their mean and spread, which has as many
trials as wanted; there a gap of one spread and of three is planted, and the share of trials that find it is compared
with the power of Student's test, from the noncentral t distribution. Without a FOLDER only the drawn ones are judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy
from scipy import stats

from aigc_core.checkpoint.folder import seed_folders, step_folders
from aigc_core.evaluation.comparison import CONFIDENCE, compare
from aigc_core.evaluation.results import Protocol, Result, read_results
from aigc_core.metrics.estimate import Estimate

from .report import print_table

RUNS = 5
"""Training seeds of each recipe."""
GAPS = (1.0, 3.0)
"""In spreads, the standard deviation over training seeds."""


PROTOCOL = Protocol(dataset="", dataset_hash="", num_reference=1000, num_samples=1000)


def as_results(fids: Sequence[float]) -> list[Result]:
    """Results that have these FIDs."""
    return [Result(protocol=PROTOCOL, figures={"fid": Estimate.of_error(fid, 0.0)}) for fid in fids]


def outcome(first: Sequence[float], second: Sequence[float]) -> str:
    """The verdict on two recipes by the FIDs of their runs."""
    return compare(as_results(first), as_results(second)).outcome


def random_outcomes(gap: float, runs: int, trials: int) -> list[str]:
    """Verdicts on recipes of so many runs, of which the first is better by a gap in units of the spread."""
    draw = numpy.random.default_rng(0)
    pairs = draw.normal(0.0, 1.0, (trials, 2, runs)) + numpy.array([10.0, 10.0 + gap])[:, None]
    return [outcome(first.tolist(), second.tolist()) for first, second in pairs]


def expected_power(gap: float, runs: int) -> float:
    """How often Student's test of two groups finds a gap, from the noncentral t distribution."""
    freedom, shift = 2 * runs - 2, gap * (runs / 2) ** 0.5
    critical = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
    return float(stats.nct.sf(critical, freedom, shift))


def split_outcomes(fids: Sequence[float]) -> list[str]:
    """Verdicts on the halves of one recipe's runs, split in every way there is."""
    half, everyone = len(fids) // 2, set(range(len(fids)))
    splits = list(combinations(sorted(everyone), half))
    return [
        outcome([fids[index] for index in ours], [fids[index] for index in sorted(everyone - {*ours})[:half]])
        for ours in splits
    ]


def fids_of(folder: Path) -> list[float]:
    """The FID of the newest checkpoint of each training seed in a recipe's folder."""
    return [read_results(step_folders(run)[-1])[0].figures["fid"].value for run in seed_folders(folder)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.recipe_calibration", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--trials", type=int, default=2000)
    arguments = parser.parse_args()
    rows = []
    for folder in arguments.folders:
        fids = fids_of(folder)
        found = split_outcomes(fids)
        false = len(found) - found.count("tie")
        rows.append(
            [folder.name, f"{len(fids) // 2} + {len(fids) // 2}", len(found), "0", f"{false / len(found):.2%}", "≤ 2 %"]
        )
    for gap in (0.0, *GAPS):
        found = random_outcomes(gap, RUNS, arguments.trials)
        share = (len(found) - found.count("tie") if gap == 0 else found.count("better")) / len(found)
        expected = f"{expected_power(gap, RUNS):.2%}" if gap else "≤ 2 %"
        rows.append(["drawn", f"{RUNS} + {RUNS}", len(found), f"{gap:g}", f"{share:.2%}", expected])
    header = ["runs", "training seeds", "pairs", "true gap in spreads", "called different", "expected"]
    print_table(f"Verdicts on recipes, confidence {CONFIDENCE:.0%}", header, rows)


if __name__ == "__main__":
    main()
