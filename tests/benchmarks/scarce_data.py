"""Scarce data: Fashion-MNIST from 100 to 60,000 training images, with and without adaptive augmentation."""

from __future__ import annotations

import argparse
from pathlib import Path

from .report import print_table
from .trials import preset_recipe, trial

LIMITS = (100, 500, 2_000, 10_000, 60_000)
AUGMENTATIONS = ("none", "ada", "diffaugment")


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scarce_data", description=__doc__)
    parser.add_argument("--images", type=int, default=500_000, help="shown in each run")
    arguments = parser.parse_args()
    rows = []
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for augmentation in AUGMENTATIONS:
        points = []
        for limit in LIMITS:
            recipe = preset_recipe(
                "fashion-mnist",
                f"images={arguments.images}",
                f"data_limit={limit}",
                f"method_config.augmentation={augmentation}",
            )
            _, result = trial(f"scarce-{arguments.images}/{limit}-{augmentation}", recipe)
            points.append(result.figures["fid"])
            shown = [result.figures[name] for name in ("fid", "recall", "memorisation")]
            rows.append([augmentation, f"{limit:,}", *(f"{part.value:.3g} ± {part.reach:.2g}" for part in shown)])
        values = [point.value for point in points]
        axes.errorbar(LIMITS, values, [point.reach for point in points], marker="o", capsize=3, label=augmentation)
    axes.set(xscale="log", yscale="log", xlabel="training images", ylabel="FID, classifier features")
    axes.legend()
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)
    header = ["augmentation", "training images", "FID", "recall", "memorisation"]
    print_table(f"Training on scarce data, {arguments.images:,} images shown in each run", header, rows)
    print("![FID against the number of training images](scarce_data.png)")


if __name__ == "__main__":
    main()
