"""How often is the verdict on two recipes right? One recipe's runs split at random must tie; a true gap must be found.

    python -m tests.benchmarks.recipe_calibration [FOLDER …] [--train] [--trials 2000]

FOLDER: that of a recipe, whose newest checkpoints of all training seeds were evaluated by one protocol
(`train --seeds 10`, `evaluate`). `--train` makes one first: ten runs of the classroom GAN on MNIST, some minutes of one
core. Their FIDs are split into two halves in every way there is, and `compare` judges the halves: a verdict is false.
Then a gap of one spread and of three is planted between the halves, and the share of splits that find it is compared
with the power of Student's test, from the noncentral t distribution. The splits share runs, so that their shares are
rough; the same is therefore drawn from a normal distribution, which has as many trials as wanted. Without a FOLDER and
`--train` only the drawn ones are judged.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

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
TRAIN = ["train", "--preset", "mnist-mlp", "--samples", "100000", "--seeds", str(2 * RUNS)]
MEASURED = ["--extractor", "mnist-classifier", "--num-samples", "2000", "--metrics", "fid"]
"""How a recipe to judge is made and measured."""

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


def split_outcomes(fids: Sequence[float], gap: float = 0.0) -> list[str]:
    """Verdicts on the halves of one recipe's runs, split in every way there is; the first half is better by a gap in
    units of the spread."""
    half, planted = len(fids) // 2, gap * float(numpy.std(fids, ddof=1))
    splits = combinations(range(len(fids)), half)
    return [
        outcome(
            [fids[index] for index in ours],
            [fid + planted for index, fid in enumerate(fids) if index not in ours][:half],
        )
        for ours in splits
    ]


def train(folder: Path) -> Path:
    """Train and measure a recipe's runs in a folder, and say on stderr how that goes."""
    for command in ([*TRAIN, "--out", str(folder)], ["evaluate", str(folder), *MEASURED]):
        subprocess.run([sys.executable, "-m", "aigc_core", *command], check=True, stdout=sys.stderr)
    return folder


def fids_of(folder: Path) -> list[float]:
    """The FID of the newest checkpoint of each training seed in a recipe's folder."""
    return [read_results(step_folders(run)[-1])[0].figures["fid"].value for run in seed_folders(folder)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.recipe_calibration", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--train", action="store_true", help="train a recipe of ten runs first")
    arguments = parser.parse_args()
    recipes = {folder.name: fids_of(folder) for folder in arguments.folders}
    if arguments.train:
        with TemporaryDirectory() as scratch:
            recipes["mnist-mlp"] = fids_of(train(Path(scratch) / "mnist-mlp"))
    judged = [
        (name, len(fids) // 2, gap, split_outcomes(fids, gap)) for name, fids in recipes.items() for gap in (0.0, *GAPS)
    ]
    judged += [("drawn", RUNS, gap, random_outcomes(gap, RUNS, arguments.trials)) for gap in (0.0, *GAPS)]
    rows = []
    for name, runs, gap, found in judged:
        share = (found.count("better") if gap else len(found) - found.count("tie")) / len(found)
        expected = f"{expected_power(gap, runs):.2%}" if gap else "≤ 2 %"
        rows.append([name, f"{runs} + {runs}", len(found), f"{gap:g}", f"{share:.2%}", expected])
    header = ["runs", "training seeds", "pairs", "true gap in spreads", "called different", "expected"]
    print_table(f"Verdicts on recipes, confidence {CONFIDENCE:.0%}", header, rows)


if __name__ == "__main__":
    main()
