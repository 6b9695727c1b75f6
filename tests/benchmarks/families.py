"""Which family for so much time? Every family's preset of one data set, trained for the same seconds, under two judges.

    python -m tests.benchmarks.families [PRESET …] [--seconds 600] [--seeds 3] [--num-samples 10000] [--at-once 1]

A preset in quotes may carry settings of drawing: `"fashion-mnist-flow steps=50"` draws from the same trainings, and is
measured by its files alone. The figures are means over training seeds, `±` half of the interval of one run or, from two
seeds on, the standard deviation over them, whichever is larger. The second judge was never tuned on.
`--at-once`: how many runs are trained and measured side by side, each on its share of the cores.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from .report import print_table
from .trials import Run, add_options, mean_figure, preset_recipe, runs_of, title_of

PRESETS = (
    "fashion-mnist",
    "fashion-mnist-vae",
    "fashion-mnist-vqvae",
    "fashion-mnist-flow",
    "fashion-mnist-flow steps=50",
    "fashion-mnist-meanflow",
    "fashion-mnist-pixels",
)
FIGURES = ("precision", "recall", "label_agreement", "bits_per_dimension")
METRICS = ("fid", *FIGURES)


def row(preset: str, runs: Sequence[Run]) -> list[str]:
    first, second = ([run.results[judge] for run in runs] for judge in (0, 1))
    rates = [1 / result.seconds_per_sample for result in first if result.seconds_per_sample]
    return [
        preset,
        runs[0].family,
        f"{statistics.mean(run.steps for run in runs):,.0f}",
        f"{runs[0].parameters / 1e6:.2f} M",
        f"{statistics.mean(rates):,.0f}" if rates else "–",
        mean_figure(first, "fid"),
        mean_figure(second, "fid"),
        *(mean_figure(first, name) for name in FIGURES),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.families", description=__doc__)
    parser.add_argument("presets", nargs="*", default=PRESETS, metavar="PRESET")
    add_options(parser)
    arguments = parser.parse_args()
    runs = runs_of({name: preset_recipe(name.split()[0]) for name in arguments.presets}, arguments, METRICS)
    rows = [row(name, of_name) for name, of_name in runs.items()]
    head = ["preset", "family", "steps", "parameters", "samples/s", "FID", "FID, second judge"]
    print_table(title_of(arguments), [*head, "precision", "recall", "label agreement", "bits per dimension"], rows)


if __name__ == "__main__":
    main()
