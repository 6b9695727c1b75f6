"""How often is `compare` right? A/A pairs must tie, and a true gap of 5 % in FID must be found.

    python -m tests.benchmarks.calibration [--pool 40000] [--pairs 100]

Features of a large pool of samples are extracted once, of a model and of a damaged copy, whose weights carry noise.
Each evaluation then takes `--num-samples` seeds of the pool. The model with a gap, B, is A except that on a fixed share
of its seeds it is the copy; the share is set so that over the whole pool its FID is 5 % above A's. Pairs:

    A/A         A against A, other seeds
    5 %         A against B on the same seeds, as `evaluate` draws them for all checkpoints
    unrelated   A against B, other seeds: what two models would have that share nothing
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.evaluation.comparison import CONFIDENCE, compare
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES
from aigc_core.evaluation.features import sample_features
from aigc_core.evaluation.real_samples import load_reference
from aigc_core.evaluation.reference import Reference
from aigc_core.evaluation.results import Protocol, Result
from aigc_core.metrics.fid import Moments, fid_figures, frechet_distance
from aigc_core.modalities.image import image_kind
from aigc_core.pipeline import Checkpoint

from .report import print_table

GAP = 0.05
MODELS = ("fashion-mnist", "cifar10")
"""Shipped models, of unlike quality."""
DAMAGE = 0.1
"""The noise in a damaged copy, as a share of the standard deviation of each tensor of weights."""


def damaged(name: str, folder: Path) -> Checkpoint:
    """A shipped model with noise in its weights, saved in a folder so that features are kept under its own hash."""
    copy, draw = Checkpoint.from_pretrained(SHIPPED / name), torch.Generator().manual_seed(0)
    for weights in copy.model.parameters():
        weights.data += DAMAGE * weights.std(correction=0) * torch.randn(weights.shape, generator=draw)
    return Checkpoint.from_pretrained(copy.save_pretrained(folder / name))


def with_gap(first: Tensor, worse: Tensor, real: Moments) -> Tensor:
    """Features of the pool of a model whose FID is 5 % above that of the first."""
    target = (1 + GAP) * frechet_distance(Moments.of(first), real)
    draw = torch.rand(len(first), 1, generator=torch.Generator().manual_seed(0))
    low, high = 0.0, 1.0
    for _ in range(12):
        share = (low + high) / 2
        mixed = torch.where(draw < share, worse, first)
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
    for name in MODELS:
        model = Checkpoint.from_pretrained(SHIPPED / name)
        reference = load_reference(model.config.dataset, None, None, image_kind(model.modality))
        with TemporaryDirectory() as folder:
            first, worse = (
                sample_features(one, reference.extractor, arguments.pool).features
                for one in (model, damaged(name, Path(folder)))
            )
        second = with_gap(first, worse, reference.moments)
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
