"""Which family for so much time? Every family's preset of one data set, trained for the same seconds, under two judges.

    python -m tests.benchmarks.families [PRESET …] [--seconds 600] [--seeds 3] [--num-samples 10000]

Each preset is trained once a training seed; the figures are means over the seeds, `±` half of the interval of one run
or, from two seeds on, the standard deviation over them, whichever is larger. The second judge was never tuned on.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

import torch

from aigc_core.evaluation.results import Result
from aigc_core.pipeline import Checkpoint

from .report import print_table
from .trials import both_judges, preset_recipe, trained

PRESETS = ("fashion-mnist", "fashion-mnist-vae", "fashion-mnist-vqvae", "fashion-mnist-flow", "fashion-mnist-pixels")
FIGURES = ("precision", "recall", "label_agreement", "bits_per_dimension")
METRICS = ("fid", *FIGURES)


def mean_figure(results: Sequence[Result], name: str) -> str:
    """The mean of a figure over training seeds, as the module's docstring says; "–" where it was not measured."""
    figures = [result.figures[name] for result in results if name in result.figures]
    if not figures:
        return "–"
    values = [figure.value for figure in figures]
    doubt = max((figure.high - figure.low) / 2 for figure in figures)
    if len(values) > 1:
        doubt = max(doubt, statistics.stdev(values))
    return f"{statistics.mean(values):.3g} ± {doubt:.2g}"


def row(preset: str, checkpoints: Sequence[Checkpoint], judged: Sequence[tuple[Result, Result]]) -> list[str]:
    first, second = ([pair[judge] for pair in judged] for judge in (0, 1))
    parameters = sum(parameter.numel() for parameter in checkpoints[0].model.parameters())
    rates = [1 / result.seconds_per_sample for result in first if result.seconds_per_sample]
    return [
        preset,
        checkpoints[0].config.family,
        f"{statistics.mean(checkpoint.config.step for checkpoint in checkpoints):,.0f}",
        f"{parameters / 1e6:.2f} M",
        f"{statistics.mean(rates):,.0f}" if rates else "–",
        mean_figure(first, "fid"),
        mean_figure(second, "fid"),
        *(mean_figure(first, name) for name in FIGURES),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.families", description=__doc__)
    parser.add_argument("presets", nargs="*", default=PRESETS, metavar="PRESET")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num-samples", type=int, default=10_000)
    arguments = parser.parse_args()
    rows = []
    for preset in arguments.presets:
        checkpoints = [
            trained(
                f"families-{arguments.seconds:g}/{preset}-{seed}",
                preset_recipe(preset, f"seconds={arguments.seconds}", f"seed={seed}"),
            )
            for seed in range(arguments.seeds)
        ]
        judged = [both_judges(checkpoint, METRICS, arguments.num_samples) for checkpoint in checkpoints]
        rows.append(row(preset, checkpoints, judged))
    head = ["preset", "family", "steps", "parameters", "samples/s", "FID", "FID, second judge"]
    print_table(
        f"{arguments.seconds:g} s of training, {arguments.seeds} training seeds, {arguments.num_samples:,} samples",
        [*head, "precision", "recall", "label agreement", "bits per dimension"],
        rows,
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
