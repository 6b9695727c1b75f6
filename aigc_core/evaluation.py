"""Protocol + checkpoint → Result."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from . import __version__
from .checkpoint import Checkpoint, written_file
from .data import ImageDataset, load_dataset
from .errors import AIGCError
from .metrics.extractors import Extractor, default_extractor, load_extractor
from .metrics.figure import Figure
from .metrics.figures import class_balance, measure
from .results import SAMPLING_SEED, ClassResult, Protocol, Result
from .sampling import BATCH_SIZE, draw_latents, generate, to_uint8

DEFAULT_NUM_SAMPLES = 10_000


def evaluate(
    checkpoint: Checkpoint,
    *,
    reference: str | None = None,
    extractor: str | None = None,
    num_samples: int = DEFAULT_NUM_SAMPLES,
    progress: Callable[[float], None] = lambda share: None,
) -> Result:
    """Measure a checkpoint against `reference`, DATASET or DATASET:SPLIT, by default the training data's test split.

    `progress` is called with the share of samples drawn. Raises AIGCError when data or extractor cannot be had.
    """
    started = time.perf_counter()
    dataset, split = split_reference(reference or checkpoint.config.dataset)
    real_images = load_dataset(dataset, split)
    features_of = load_extractor(extractor or default_extractor(real_images.name))
    if real_images.images.shape[1] != checkpoint.config.image_shape.channels:
        raise AIGCError(f"The checkpoint's images and those of '{real_images.name}' differ in their channels.")
    protocol = Protocol(
        dataset=real_images.name,
        dataset_hash=real_images.content_hash(),
        split=split,
        resolution=real_images.images.shape[2],
        channels=real_images.images.shape[1],
        extractor=features_of.name,
        extractor_hash=features_of.weights_hash,
        num_samples=num_samples,
    )
    real, real_logits = reference_features(real_images, protocol.dataset_hash, features_of)
    features, logits, asked = _sample_features(checkpoint, features_of, num_samples, progress)
    figures = measure(features, logits, real, protocol.neighbourhood)
    conditional = checkpoint.config.image_shape.num_classes == logits.shape[1]
    if conditional:
        agreed = (logits.argmax(1) == asked.argmax(1)).float().mean().item()
        figures["label_agreement"] = Figure.of_share(agreed, num_samples)
    shares = class_balance(logits, real_images.class_names)
    real_shares = class_balance(real_logits, real_images.class_names)
    return Result(
        protocol=protocol,
        figures=figures,
        classes={name: ClassResult(share=shares[name], real_share=real_shares[name]) for name in shares},
        step=checkpoint.config.step,
        images_seen=checkpoint.config.images_seen,
        seconds=round(time.perf_counter() - started, 2),
        device=str(next(checkpoint.generator.parameters()).device),
        versions={"aigc_core": __version__, "torch": torch.__version__},
    )


def split_reference(text: str) -> tuple[str, str]:
    """DATASET:SPLIT → its parts; the split is test where none is named."""
    dataset, _, split = text.rpartition(":")
    return (dataset, split) if dataset and split in ("train", "test") else (text, "test")


@torch.inference_mode()
def _sample_features(
    checkpoint: Checkpoint, extractor: Extractor, num_samples: int, progress: Callable[[float], None]
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [N, F], logits [N, K] and the labels asked for [N, num_classes] of seeds from SAMPLING_SEED on."""
    device = next(checkpoint.generator.parameters()).device
    seeds = list(range(SAMPLING_SEED, SAMPLING_SEED + num_samples))
    latent_dim: int = checkpoint.generator.latent_dim  # type: ignore[assignment]
    latents, labels = draw_latents(seeds, latent_dim, checkpoint.config.image_shape.num_classes)
    features, logits = [], []
    batch_size = 4 * BATCH_SIZE
    for start in range(0, num_samples, batch_size):
        rows = slice(start, start + batch_size)
        images = generate(checkpoint.generator, latents[rows].to(device), labels[rows].to(device))
        batch_features, batch_logits = extractor.extract(to_uint8(images))
        features.append(batch_features)
        logits.append(batch_logits)
        progress(min(1.0, (start + batch_size) / num_samples))
    return torch.cat(features), torch.cat(logits), labels


def reference_features(reference: ImageDataset, dataset_hash: str, extractor: Extractor) -> tuple[Tensor, Tensor]:
    """Features [N, F] and logits [N, K] of a reference, kept in the cache by content of data and weights."""
    folder = Path(os.environ.get("AIGC_CACHE") or Path.home() / ".cache" / "aigc-studio") / "features"
    path = folder / f"{dataset_hash}-{extractor.weights_hash}.safetensors"
    if not path.is_file():
        features, logits = extractor.extract(reference.images)
        # Whoever comes second replaces the file by an equal one.
        with written_file(path) as unfinished:
            save_file({"features": features, "logits": logits}, unfinished)
    tensors = load_file(path)
    return tensors["features"], tensors["logits"]
