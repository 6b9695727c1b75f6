"""Stability: ten training seeds of each CPU preset in short runs. None may collapse; the spread of FID is shown."""

from __future__ import annotations

import argparse
import statistics

from .report import print_table
from .trials import preset_recipe, trial

SECONDS = {"mnist-mlp": 180, "mnist": 60, "fashion-mnist": 60, "cifar10": 900}
"""Of training for each run on one core: about the least in which a preset can show all classes."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stability", description=__doc__)
    parser.add_argument("presets", nargs="*", default=list(SECONDS), help=f"of {', '.join(SECONDS)}")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    seeds, rows = arguments.seeds, []
    for preset in arguments.presets:
        seconds = SECONDS[preset]
        fids, covered = [], []
        for seed in range(seeds):
            recipe = preset_recipe(preset, f"seconds={seconds}", f"seed={seed}")
            _, result = trial(f"stability-{seconds}/{preset}-{seed}", recipe)
            fids.append(result.figures["fid"].value)
            covered.append(result.figures["mode_coverage"].value)
        quartiles = statistics.quantiles(fids, n=4)
        rows.append(
            [
                preset,
                f"{seconds} s",
                f"{sum(share == 1 for share in covered)} of {seeds}",
                f"{statistics.median(fids):.3g}",
                f"{quartiles[0]:.3g} to {quartiles[2]:.3g}",
                f"{min(fids):.3g} to {max(fids):.3g}",
                f"{statistics.stdev(fids) / statistics.mean(fids):.0%}",
            ]
        )
    header = ["preset", "training", "runs with all classes", "median FID", "middle half", "range", "deviation / mean"]
    print_table("Stability over training seeds", header, rows)


if __name__ == "__main__":
    main()
