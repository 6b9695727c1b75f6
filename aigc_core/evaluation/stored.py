"""Evaluation without an extractor: metrics that compare the stored samples themselves, such as texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

import torch
from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.config import parse_config
from aigc_core.data.datasets import public_name
from aigc_core.errors import AIGCError, Sentence
from aigc_core.metrics.catalogue import stored_metrics, too_few_samples
from aigc_core.metrics.estimate import Sizes
from aigc_core.metrics.stored import Comparison
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample

from .likelihood import real_sample_bits
from .results import SAMPLING_SEED, VERSIONS, Protocol, Result
from .training_set import check_may_be_read

CHUNK = 1000
"""How many samples are drawn between two reports of progress."""


def evaluate_stored(
    checkpoint: StoredCheckpoint,
    reference: str | None,
    num_samples: int,
    metrics: Collection[str],
    progress: Callable[[float], None],
    measuring: Callable[[str], None],
) -> Result:
    """Measure a checkpoint against real samples: `reference`, or the data that it was trained on.

    The other arguments are those of `evaluate`. Raises AIGCError if there are no real samples, no metrics for its
    modality, or too few samples.
    """
    started = time.perf_counter()
    config, modality = checkpoint.config, checkpoint.modality
    known = stored_metrics(modality.name)
    if not known:
        raise AIGCError("Nothing can be measured of samples of the kind '{modality}' yet.", modality=modality.name)
    name = reference or config.dataset
    check_may_be_read(name)
    training, real = (modality.load_split(name, split) for split in ("train", "test"))
    if not reference and config.data_hash and training.content_hash() != config.data_hash:
        raise AIGCError(
            "'{name}' holds other samples than those it was trained on; name real ones with --reference.", name=name
        )
    asked = known.keys() & set(metrics)
    min_samples = too_few_samples(num_samples, Sizes(features=0, classes=0, real=len(real)), asked)
    protocol = parse_config(
        Protocol,
        {
            "dataset": public_name(real.name),
            "dataset_hash": real.content_hash(),
            "split": "test",
            "num_reference": len(real),
            "num_samples": num_samples,
            "modality": modality.name,
            "shape": modality.model_dump(mode="json"),
        },
        Sentence("Evaluation"),
    )
    began = time.perf_counter()
    stored = _draw(checkpoint, num_samples, progress)
    seconds_per_sample = (time.perf_counter() - began) / num_samples
    bits, rows = real_sample_bits(checkpoint, real, SAMPLING_SEED)
    compared = Comparison(stored, real.samples, training.samples, modality, bits, real.samples[rows])
    spread = torch.linspace(0, len(real) - 1, min(num_samples, len(real))).round().long()
    as_samples = replace(compared, samples=real.samples[spread])
    figures, real_figures = {}, {}
    for key, metric in known.items():
        if key not in asked or key in min_samples:
            continue
        measuring(metric.info.title)
        if (figure := metric.compute(compared)) is not None:
            figures[key] = figure
            if metric.of_real and (theirs := metric.compute(as_samples)) is not None:
                real_figures[key] = theirs
    return Result(
        protocol=protocol,
        figures=figures,
        real_figures=real_figures,
        min_samples=min_samples,
        step=config.step,
        samples_seen=config.samples_seen,
        seconds=round(time.perf_counter() - started, 2),
        seconds_per_sample=float(f"{seconds_per_sample:.3g}"),
        device=str(checkpoint.model.device),
        versions=VERSIONS,
    )


def _draw(checkpoint: StoredCheckpoint, num_samples: int, progress: Callable[[float], None]) -> Tensor:
    parts = []
    for request in SampleRequest(seed=SAMPLING_SEED, count=num_samples).parts(CHUNK):
        parts.append(sample(checkpoint, request).stored)
        progress((request.seed + request.count - SAMPLING_SEED) / num_samples)
    return torch.cat(parts)
