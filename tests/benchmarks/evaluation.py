"""What an evaluation costs beside torch-fidelity, with one extractor, all in one run.

    python -m tests.benchmarks.evaluation [--num-samples 10000]

FID, IS, KID, precision and recall of `--num-samples` samples against the test split. torch-fidelity: all in one
call, and one call a figure, each on images in memory. Ours, less the time to draw the images, with an empty cache and
with the reference in the cache (the second and later checkpoints); intervals, density and coverage come with it. Last,
how near sampling with extraction comes to the bare forward passes of generator and extractor.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch_fidelity
from torch import Tensor

from aigc_core.data.datasets import data_folder
from aigc_core.evaluation.evaluate import evaluate
from aigc_core.evaluation.features import EVALUATION_BATCH_SIZE, sample_features
from aigc_core.evaluation.real_samples import load_reference
from aigc_core.evaluation.results import SAMPLING_SEED
from aigc_core.metrics.extractors import Extractor
from aigc_core.modalities.image import image_kind
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.noise import draw_noise
from tests.registered_extractor import register_with_torch_fidelity

ROOT = Path(__file__).parents[2]
METRICS = ("fid", "is", "kid", "precision", "recall")
CALLS = ({"fid": True}, {"isc": True}, {"kid": True}, {"prc": True})
KEYS = {
    "fid": "frechet_inception_distance",
    "is": "inception_score_mean",
    "kid": "kernel_inception_distance_mean",
    "precision": "precision",
    "recall": "recall",
}


class Images(torch.utils.data.Dataset):
    """Images uint8 [N, C, H, W] as torch-fidelity wants them: three channels."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.expand(-1, 3, -1, -1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor time, which other programs on the machine disturb less than those of a clock."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


@torch.inference_mode()
def draw(checkpoint: Checkpoint, latents: Tensor, labels: Tensor) -> Tensor:
    batches = zip(latents.split(EVALUATION_BATCH_SIZE), labels.split(EVALUATION_BATCH_SIZE))
    return torch.cat([checkpoint.modality.to_stored(checkpoint.model(z, y)) for z, y in batches])


@torch.inference_mode()
def bare_passes(checkpoint: Checkpoint, extractor: Extractor, latents: Tensor, labels: Tensor) -> None:
    for z, y in zip(latents.split(EVALUATION_BATCH_SIZE), labels.split(EVALUATION_BATCH_SIZE)):
        extractor.network(checkpoint.modality.to_stored(checkpoint.model(z, y)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time evaluations.")
    parser.add_argument("--checkpoint", default=str(ROOT / "checkpoints" / "fashion-mnist"))
    parser.add_argument("--num-samples", type=int, default=10_000)
    arguments = parser.parse_args()
    count = arguments.num_samples
    loaded = Checkpoint.from_pretrained(arguments.checkpoint)
    # Without a folder nothing is written, and weights are hashed anew for each.
    checkpoint = Checkpoint(loaded.config, loaded.model)
    config, shape = checkpoint.config, image_kind(checkpoint.modality)
    seeds = range(SAMPLING_SEED, SAMPLING_SEED + count)
    latents, labels = draw_noise(seeds, checkpoint.model.noise_shape, config.num_classes, config.class_shares)

    def fresh():
        return load_reference(config.dataset, None, None, shape)

    extractor = fresh().extractor
    drawing, samples = timed(lambda: draw(checkpoint, latents, labels))
    register_with_torch_fidelity(extractor)
    inputs = {"input1": Images(samples), "input2": Images(fresh().data.images)}
    options = {"feature_extractor": "ours", "cuda": False, "verbose": False, "cache": False, "prc_neighborhood": 3}

    def fidelity(**wanted: bool) -> dict[str, float]:
        used = {"input1": inputs["input1"]} if wanted == {"isc": True} else inputs
        return torch_fidelity.calculate_metrics(**used, **options, **wanted)

    one, theirs = timed(lambda: fidelity(fid=True, isc=True, kid=True, prc=True))
    four, _ = timed(lambda: [fidelity(**call) for call in CALLS])
    with tempfile.TemporaryDirectory() as cache:
        Path(cache, "data").symlink_to(data_folder())
        os.environ["AIGC_CACHE"] = cache
        first, result = timed(lambda: evaluate(checkpoint, reference=fresh(), num_samples=count, metrics=METRICS))
        for path in Path(cache).glob("features/*/*-*"):  # those of the samples
            path.unlink()
        later, _ = timed(lambda: evaluate(checkpoint, reference=fresh(), num_samples=count, metrics=METRICS))
        for path in Path(cache).glob("features/*/*-*"):  # those of the samples
            path.unlink()
        drawn, _ = timed(lambda: sample_features(checkpoint, extractor, count))
        bare, _ = timed(lambda: bare_passes(checkpoint, extractor, latents, labels))
    worst = max(abs(result.figures[name].value / theirs[key] - 1) for name, key in KEYS.items())
    print(f"{count:,} samples, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(
        f"largest relative difference of a figure: {worst:.1e}\n\n| what | seconds | against one call | against four |"
    )
    print("|---|---|---|---|")
    for name, seconds in (
        ("torch-fidelity, one call", one),
        ("torch-fidelity, four calls", four),
        ("ours, first checkpoint", first - drawing),
        ("ours, second and later", later - drawing),
    ):
        print(f"| {name} | {seconds:.1f} | {one / seconds:.2f}× | {four / seconds:.2f}× |")
    print(f"\nsampling with extraction: {bare / drawn:.0%} of the throughput of the bare forward passes")


if __name__ == "__main__":
    main()
