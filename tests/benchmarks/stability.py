"""Stability: ten training seeds of each CPU preset in short runs. None may collapse; the spread of FID is shown."""

from __future__ import annotations

import argparse
import statistics

from .report import print_table
from .trials import preset_recipe, trial

PRESETS = ("mnist-mlp", "mnist", "fashion-mnist", "cifar10")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stability", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of training for each run")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    rows = []
    for preset in PRESETS:
        fids, covered = [], []
        for seed in range(arguments.seeds):
            recipe = preset_recipe(preset, f"seconds={arguments.seconds}", f"seed={seed}")
            _, result = trial(f"stability-{arguments.seconds:g}/{preset}-{seed}", recipe)
            fids.append(result.figures["fid"].value)
            covered.append(result.figures["mode_coverage"].value)
        quartiles = statistics.quantiles(fids, n=4)
        rows.append(
            [
                preset,
                f"{sum(share == 1 for share in covered)} of {arguments.seeds}",
                f"{statistics.median(fids):.3g}",
                f"{quartiles[0]:.3g} to {quartiles[2]:.3g}",
                f"{min(fids):.3g} to {max(fids):.3g}",
                f"{statistics.stdev(fids) / statistics.mean(fids):.0%}",
            ]
        )
    header = ["preset", "runs with all classes", "median FID", "middle half", "range", "deviation / mean"]
    print_table(f"Stability over training seeds, {arguments.seconds:g} s of training a run", header, rows)


if __name__ == "__main__":
    main()
