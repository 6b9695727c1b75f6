"""Scarce data: Fashion-MNIST from 100 to 60,000 training images, with and without augmentation; 500 of them longer."""

from __future__ import annotations

import argparse
from pathlib import Path

from aigc_core.evaluation.results import Result

from .report import print_table
from .trials import preset_recipe, trial

LIMITS = (100, 500, 2_000, 10_000, 60_000)
AUGMENTATIONS = ("none", "ada", "diffaugment")
FEW = 500
LONGER = 8
"""How many times as long the runs on few images are in the second table."""


def measured(augmentation: str, limit: int, images: int) -> Result:
    recipe = preset_recipe(
        "fashion-mnist", f"samples={images}", f"data_limit={limit}", f"method_config.augmentation={augmentation}"
    )
    return trial(f"scarce-{images}/{limit}-{augmentation}", recipe)[1]


def row(augmentation: str, limit: int, result: Result) -> list[str]:
    shown = ("fid", "precision", "recall", "memorisation")
    return [augmentation, f"{limit:,}", *(str(result.figures[name]) for name in shown)]


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullLocator

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scarce_data", description=__doc__)
    parser.add_argument("--images", type=int, default=500_000, help="shown in each run")
    images = parser.parse_args().images
    results = {(name, limit): measured(name, limit, images) for name in AUGMENTATIONS for limit in LIMITS}
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for name in AUGMENTATIONS:
        fids = [results[name, limit].figures["fid"] for limit in LIMITS]
        values, reaches = [fid.value for fid in fids], [fid.half_width for fid in fids]
        axes.errorbar(LIMITS, values, reaches, marker="o", capsize=3, label=name)
    axes.set(xscale="log", yscale="log", xlabel="training images", ylabel="FID, classifier features")
    axes.set_xticks(LIMITS, [f"{limit:,}" for limit in LIMITS])
    axes.xaxis.set_minor_locator(NullLocator())
    for formatted in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatted("{x:g}")
    axes.legend()
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)
    header = ["augmentation", "training images", "FID", "precision", "recall", "memorisation"]
    rows = [row(*key, result) for key, result in results.items()]
    print_table(f"Training on scarce data, {images:,} images shown in each run", header, rows)
    print("![FID against the number of training images](scarce_data.png)\n")
    rows = [row(name, FEW, measured(name, FEW, LONGER * images)) for name in AUGMENTATIONS]
    print_table(f"The same, {LONGER * images:,} images shown in each run", header, rows)


if __name__ == "__main__":
    main()
