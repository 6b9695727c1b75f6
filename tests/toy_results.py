"""Runs of untrained checkpoints with made-up results, for what shows results and does not measure them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aigc_core.evaluation.comparison import better_beyond_doubt
from aigc_core.evaluation.results import ClassResult, Neighbour, Protocol, Result, write_result
from aigc_core.metrics.estimate import Estimate

from .toy_models import CLASS_NAMES, toy_checkpoint


def toy_result(fid: float, samples_seen: int = 0, num_samples: int = 1000) -> Result:
    """A result under one protocol, whose FID ± 0.1 says how good all its figures are."""
    good = 1 / (1 + fid)
    figures = {
        "fid": Estimate(value=fid, low=fid - 0.1, high=fid + 0.1),
        "kid": Estimate(value=fid / 100, low=fid / 110, high=fid / 90),
        "is": Estimate(value=9 * good, low=8 * good, high=10 * good),
        "precision": Estimate.of_share(good, num_samples),
        "recall": Estimate.of_share(good / 2, num_samples),
        "memorisation": Estimate.of_share(0.01, num_samples),
    }
    shares = zip(CLASS_NAMES, (0.6, 0.38, 0.02))
    classes = {
        name: ClassResult(
            share=Estimate.of_share(share, num_samples),
            real_share=Estimate.of_share(1 / 3, 3000),
            fid=Estimate(value=fid + share, low=fid, high=fid + 2 * share),
        )
        for name, share in shares
    }
    return Result(
        protocol=Protocol(
            dataset="toy",
            dataset_hash="0",
            resolution=28,
            channels=1,
            extractor="toy-classifier",
            extractor_hash="0",
            num_reference=3000,
            num_samples=num_samples,
        ),
        figures=figures,
        classes=classes,
        neighbours=(Neighbour(seed=1_000_007, train_index=42, distance=0.5, score=0.25),),
        samples_seen=samples_seen,
    )


def evaluated_recipe(folder: Path, fids: list[float], **recipe: object) -> Path:
    """A folder of runs `seed-1`, `seed-2`, … of one step, a training seed of a recipe for each FID."""
    for seed, fid in enumerate(fids, 1):
        evaluated_run(folder / f"seed-{seed}", [fid], recipe={"data": "toy", "seed": seed} | recipe)
    return folder


def evaluated_run(
    folder: Path, fids: list[float], architecture: str = "dcgan", recipe: dict[str, object] | None = None
) -> Path:
    """A run of one step for each FID, after 1,000 samples each."""
    for number, fid in enumerate(fids, 1):
        checkpoint = toy_checkpoint(architecture)
        counts = {"step": number, "samples_seen": 1000 * number, "recipe": recipe or {}}
        checkpoint.config = checkpoint.config.model_copy(update=counts)
        step = checkpoint.save_pretrained(folder / f"step-{number:07d}")
        write_result(toy_result(fid, samples_seen=1000 * number), step)
    return folder


def ranks(results: Sequence[Result], figure: str) -> list[int]:
    """1 + the number of results that are better beyond doubt."""
    return (1 + better_beyond_doubt([result.figures[figure] for result in results], figure).sum(0)).tolist()
