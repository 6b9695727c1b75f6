"""How often is `compare` right? A/A pairs must tie, and a true gap of 5 % in FID must be found.

    python -m tests.benchmarks.calibration [--pool 40000] [--pairs 100]

Features of a large pool of samples are extracted once, of a model and of an earlier step of it. Each evaluation then
takes `--num-samples` seeds of the pool. The model with a gap, B, is A except that on a fixed share of its seeds it is
at the earlier step; the share is set so that over the whole pool its FID is 5 % above A's. Pairs:

    A/A         A against A, other seeds
    5 %         A against B on the same seeds, as `evaluate` draws them for all checkpoints
    unrelated   A against B, other seeds: what two models would have that share nothing
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.evaluation.comparison import CONFIDENCE, compare
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES, load_reference, sample_features
from aigc_core.evaluation.reference import Reference
from aigc_core.evaluation.results import Protocol, Result
from aigc_core.metrics.fid import Moments, fid_figures, frechet_distance
from aigc_core.modalities.image import image_kind
from aigc_core.pipeline import Checkpoint

from .report import print_table

GAP = 0.05
EARLIER = {"fashion-mnist": "step-0007813", "cifar10": "step-0018750"}
"""Shipped models, of unlike quality, with the step that stands for something worse."""


def with_gap(first: Tensor, earlier: Tensor, real: Moments) -> Tensor:
    """Features of the pool of a model whose FID is 5 % above that of the first."""
    target = (1 + GAP) * frechet_distance(Moments.of(first), real)
    draw = torch.rand(len(first), 1, generator=torch.Generator().manual_seed(0))
    low, high = 0.0, 1.0
    for _ in range(12):
        share = (low + high) / 2
        mixed = torch.where(draw < share, earlier, first)
        low, high = (share, high) if frechet_distance(Moments.of(mixed), real) < target else (low, share)
    return mixed


def outcomes(
    first: Tensor, second: Tensor, same_seeds: bool, reference: Reference, count: int, pairs: int
) -> list[str]:
    """The verdicts on pairs of evaluations that take `count` random seeds of the pools [P, F]."""
    protocol = Protocol(
        dataset="", dataset_hash="", num_reference=len(reference.data), resolution=1, channels=1,
        extractor="", extractor_hash="", num_samples=count,
    )  # fmt: skip
    draw, verdicts = torch.Generator().manual_seed(1), []
    for _ in range(pairs):
        order = torch.randperm(len(first), generator=draw)
        rows = (order[:count], order[:count] if same_seeds else order[count : 2 * count])
        results = [
            Result(
                protocol=protocol,
                figures=fid_figures(part[chosen], reference.features, reference.moments, extrapolate=False),
            )
            for part, chosen in zip((first, second), rows)
        ]
        verdicts.append(compare(results[0], results[1]).outcome)
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.calibration", description="Calibrate compare.")
    parser.add_argument("--pool", type=int, default=40_000)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--num-samples", type=int, default=DEFAULT_NUM_SAMPLES)
    arguments = parser.parse_args()
    rows = []
    for name, step in EARLIER.items():
        models = [Checkpoint.from_pretrained(f"{SHIPPED / name}{revision}") for revision in ("", f"@{step}")]
        shape = image_kind(models[0].modality)
        reference = load_reference(models[0].config.dataset, None, None, shape)
        first, earlier = (sample_features(model, reference.extractor, arguments.pool).features for model in models)
        second = with_gap(first, earlier, reference.moments)
        fids = [f"{frechet_distance(Moments.of(part), reference.moments):.4f}" for part in (first, second)]
        for pairs, other, same_seeds in (
            ("A/A", first, False),
            ("5 %", second, True),
            ("unrelated, 5 %", second, False),
        ):
            found = outcomes(first, other, same_seeds, reference, arguments.num_samples, arguments.pairs)
            right = "–" if other is first else str(found.count("better"))
            wrong = found.count("worse") + (found.count("better") if other is first else 0)
            pools = fids[0] if other is first else " and ".join(fids)
            rows.append([name, pools, pairs, str(found.count("tie")), right, str(wrong)])
    title = f"Verdicts on {arguments.pairs} pairs, {arguments.num_samples:,} samples each of {arguments.pool:,}, "
    title += f"confidence {CONFIDENCE:.0%}"
    print_table(title, ["model", "FID of the pools", "pairs", "tie", "right", "wrong"], rows)


if __name__ == "__main__":
    main()
