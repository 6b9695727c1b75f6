"""The samples of a checkpoint as an extractor sees them, drawn and looked at once for all figures.

The cache keeps their features, a thousand samples per file, so an interrupted evaluation resumes where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aigc_core.batching import batch_size
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.families.base import Condition
from aigc_core.metrics.extractors import Extractor
from aigc_core.metrics.path_length import PATHS, path_ends
from aigc_core.modalities.as_images import as_images
from aigc_core.modalities.image import ImageModality
from aigc_core.sampling.sample import BATCH_SIZE, generate_batch, seed_noise
from aigc_core.version import __version__

from .reference import CHUNK, kept
from .results import SAMPLING_SEED

EVALUATION_BATCH_SIZE = 4 * BATCH_SIZE


@dataclass(frozen=True)
class Sampled:
    """N samples as an extractor sees them: features float32 [N, F] and logits float32 [N, K].

    `labels`: the class weights that they were drawn for, float32 [N, num_classes]. `paths` computes the features at
    both ends of short steps between latents, [P, F] each, if there is a model. `seconds`: how long drawing took, if it
    was measured.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    paths: Callable[[], tuple[Tensor, Tensor]] | None = None
    seconds: float | None = None


def sample_features(
    checkpoint: StoredCheckpoint,
    extractor: Extractor,
    num_samples: int,
    progress: Callable[[float], None] = lambda share: None,
    next_extractors: Sequence[Extractor] = (),
) -> Sampled:
    """Samples of the seeds from SAMPLING_SEED on, as an extractor sees them; features in the cache are not made again.

    Samples that are drawn are also passed to `next_extractors`, whose features go into the cache.
    """
    extractors = (extractor, *next_extractors)
    keys = [_sampling_key(checkpoint, each) for each in extractors]
    chunks = []
    for start in range(0, num_samples, CHUNK):
        seeds = range(SAMPLING_SEED + start, SAMPLING_SEED + min(start + CHUNK, num_samples))
        names = [f"{key}/{seeds.start}-{len(seeds)}" for key in keys]

        def extract(seeds: range = seeds, names: list[str] = names) -> dict[str, Tensor]:
            batches, seconds, began = [], 0.0, time.perf_counter()
            for images in image_batches(checkpoint, seeds):
                if images.is_cuda:
                    torch.cuda.synchronize(images.device)  # or drawing would be counted as looking
                seconds += time.perf_counter() - began
                batches.append([each.extract(images) for each in extractors])
                began = time.perf_counter()
            seen = [
                {name: torch.cat(part) for name, part in zip(("features", "logits"), zip(*parts))}
                | {"seconds": torch.tensor(seconds)}
                for parts in zip(*batches)
            ]
            for name, tensors in zip(names[1:], seen[1:]):
                kept(name, lambda tensors=tensors: tensors)
            return seen[0]

        chunks.append(kept(names[0], extract))
        progress((seeds.stop - SAMPLING_SEED) / num_samples)
    _, condition = seed_noise(checkpoint, range(SAMPLING_SEED, SAMPLING_SEED + num_samples))
    return Sampled(
        torch.cat([chunk["features"] for chunk in chunks]),
        torch.cat([chunk["logits"] for chunk in chunks]),
        condition.classes,
        lambda: _paths(checkpoint, extractor),
        sum(chunk["seconds"].item() for chunk in chunks) if all("seconds" in chunk for chunk in chunks) else None,
    )


def _sampling_key(checkpoint: StoredCheckpoint, extractor: Extractor) -> str:
    """The cache key of all that determines the features of a seed."""
    config = checkpoint.config
    model = [checkpoint.weights_sha256, config.architecture, config.architecture_config, config.class_shares]
    digest = hashlib.sha256(json.dumps([*model, __version__], sort_keys=True).encode()).hexdigest()[:16]
    return f"{digest}-{extractor.name}-{extractor.weights_hash}"


@torch.inference_mode()
def image_batches(checkpoint: StoredCheckpoint, seeds: Sequence[int]) -> Iterator[Tensor]:
    """Batches of samples of the seeds as images uint8 [n, C, H, W], on the model's device."""
    size = _batch_size(checkpoint, len(seeds))
    for start in range(0, len(seeds), size):
        yield _image_batch(checkpoint, *seed_noise(checkpoint, seeds[start : start + size]))


def _image_batch(checkpoint: StoredCheckpoint, noise: Tensor, condition: Condition) -> Tensor:
    """One batch of samples as images uint8 [n, C, H, W], on the model's device."""
    stored = generate_batch(checkpoint, noise, condition, checkpoint.model.options_type())
    return stored if isinstance(checkpoint.modality, ImageModality) else as_images(checkpoint.modality, stored)


def _batch_size(checkpoint: StoredCheckpoint, count: int) -> int:
    """How many of `count` samples are drawn at a time."""
    if checkpoint.model.rows:
        return checkpoint.model.rows
    noise, condition = seed_noise(checkpoint, range(2))
    return batch_size(
        checkpoint.model,
        lambda number: _image_batch(checkpoint, noise[slice(number)], condition[slice(number)]),
        min(EVALUATION_BATCH_SIZE, count),
    )


@torch.inference_mode()
def _paths(checkpoint: StoredCheckpoint, extractor: Extractor) -> tuple[Tensor, Tensor]:
    """Features [PATHS, F] at both ends of short steps from one latent towards another, within one class each."""
    starts, condition = seed_noise(checkpoint, range(SAMPLING_SEED, SAMPLING_SEED + PATHS))
    goals, _ = seed_noise(checkpoint, range(SAMPLING_SEED + PATHS, SAMPLING_SEED + 2 * PATHS))
    size = _batch_size(checkpoint, PATHS)
    rows = [slice(start, start + size) for start in range(0, PATHS, size)]
    ends = [
        torch.cat([extractor.extract(_image_batch(checkpoint, noise[row], condition[row]))[0] for row in rows])
        for noise in (starts, path_ends(starts, goals))
    ]
    return ends[0], ends[1]
