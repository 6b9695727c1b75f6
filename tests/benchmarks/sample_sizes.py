"""From how many samples on does each metric's interval hold the value of 10,000 samples?

    python -m tests.benchmarks.sample_sizes [--model mnist] [--draws 20]

Features of 10,000 samples of a shipped model are extracted once. Each evaluation then takes N of them at random. The
table says in how many of the evaluations the interval held the value of all; where a metric says that it needs more
samples, that is left out.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES
from aigc_core.evaluation.features import sample_features
from aigc_core.evaluation.real_samples import load_reference
from aigc_core.evaluation.reference import DENSITY_NEIGHBOURHOOD, NEIGHBOURHOOD, Reference
from aigc_core.evaluation.results import FIGURES
from aigc_core.metrics.balance import class_imbalance, class_shares, mode_coverage
from aigc_core.metrics.estimate import Estimate, Sizes
from aigc_core.metrics.fid import fid_figures
from aigc_core.metrics.inception_score import inception_score
from aigc_core.metrics.kid import kernel_distance
from aigc_core.metrics.neighbours import neighbourhood_figures
from aigc_core.modalities.image import image_kind
from aigc_core.pipeline import Checkpoint

from .report import print_table

SIZES = (50, 100, 200, 512, 1000, 2000, 5000)


def measure(features: Tensor, logits: Tensor, reference: Reference) -> dict[str, Estimate]:
    """The metrics of features [N, F] and logits [N, K] that so many samples can measure."""
    sizes = Sizes(features.shape[1], logits.shape[1], len(reference.data))
    figures = neighbourhood_figures(features, reference.features, NEIGHBOURHOOD, DENSITY_NEIGHBOURHOOD, reference.radii)
    if len(features) >= FIGURES["fid"].min_samples(sizes):
        figures |= fid_figures(features, reference.features, reference.moments, extrapolate=True)
    figures |= {
        "kid": kernel_distance(features, reference.features, reference.kernel_pairs(len(features))),
        "is": inception_score(logits),
        "mode_coverage": mode_coverage(class_shares(logits), class_shares(reference.logits)),
        "class_imbalance": class_imbalance(logits, reference.logits),
    }
    return {name: figure for name, figure in figures.items() if FIGURES[name].min_samples(sizes) <= len(features)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sample_sizes", description="Try few samples.")
    parser.add_argument("--model", default="mnist")
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    checkpoint = Checkpoint.from_pretrained(SHIPPED / arguments.model)
    shape = image_kind(checkpoint.modality)
    reference = load_reference(checkpoint.config.dataset, None, None, shape)
    pool = sample_features(checkpoint, reference.extractor, DEFAULT_NUM_SAMPLES)
    target = measure(pool.features, pool.logits, reference)
    draw = torch.Generator().manual_seed(0)
    columns = []
    for count in SIZES:
        held: dict[str, list[bool]] = {}
        for _ in range(arguments.draws):
            rows = torch.randperm(DEFAULT_NUM_SAMPLES, generator=draw)[:count]
            for name, figure in measure(pool.features[rows], pool.logits[rows], reference).items():
                held.setdefault(name, []).append(figure.low <= target[name].value <= figure.high)
        columns.append({name: f"{sum(found)}" for name, found in held.items()})
    lines = [
        [FIGURES[name].title, f"{figure.value:.4g}", *(column.get(name, "–") for column in columns)]
        for name, figure in target.items()
    ]
    title = f"Of {arguments.draws} evaluations of {arguments.model} by N samples, how many intervals hold the value of "
    print_table(f"{title}{DEFAULT_NUM_SAMPLES:,}", ["metric", "value", *map("{:,}".format, SIZES)], lines)


if __name__ == "__main__":
    main()
