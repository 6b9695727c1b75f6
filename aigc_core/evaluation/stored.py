"""Evaluation without an extractor: metrics that compare the stored samples themselves, such as texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import one_hot

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.config import parse_config
from aigc_core.data.dataset import Dataset
from aigc_core.data.datasets import public_name
from aigc_core.errors import AIGCError, Sentence
from aigc_core.metrics.catalogue import stored_metrics, too_few_samples
from aigc_core.metrics.estimate import Estimate, Sizes
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
    compared = drawn_beside(checkpoint, real, training, num_samples, progress)
    seconds_per_sample = (time.perf_counter() - began) / num_samples
    bits, rows = real_sample_bits(checkpoint, real, SAMPLING_SEED)
    compared = replace(compared, bits=bits, bits_of=real.samples[rows])
    measured = measure_stored(compared, real, asked - min_samples.keys(), measuring)
    return Result(
        protocol=protocol,
        figures=measured.figures,
        real_figures=measured.of_real,
        min_samples=min_samples,
        step=config.step,
        samples_seen=config.samples_seen,
        seconds=round(time.perf_counter() - started, 2),
        seconds_per_sample=float(f"{seconds_per_sample:.3g}"),
        device=str(checkpoint.model.device),
        versions=VERSIONS | measured.versions,
    )


def drawn_beside(
    checkpoint: StoredCheckpoint, real: Dataset, training: Dataset, count: int, progress: Callable[[float], None]
) -> Comparison:
    """Samples of the first `count` seeds beside real ones and those that the model learnt from."""
    parts = []
    for request in SampleRequest(seed=SAMPLING_SEED, count=count).parts(CHUNK):
        parts.append(sample(checkpoint, request))
        progress((request.seed + request.count - SAMPLING_SEED) / count)
    stored, classes = torch.cat([part.stored for part in parts]), torch.cat([part.labels for part in parts])
    names = checkpoint.config.class_names
    return Comparison(stored, real.samples, training.samples, checkpoint.modality, classes=classes, class_names=names)


@dataclass(frozen=True)
class StoredFigures:
    """Figures of stored samples. `of_real`: some of them as measured on as many real samples in place of the model's;
    `versions`: of the packages that judged them."""

    figures: dict[str, Estimate]
    of_real: dict[str, Estimate]
    versions: dict[str, str]


def measure_stored(
    compared: Comparison, real: Dataset, asked: Collection[str], measuring: Callable[[str], None]
) -> StoredFigures:
    """The figures that can be measured of those asked for; `real`: the data of the comparison's real samples."""
    spread = torch.linspace(0, len(real) - 1, min(len(compared.samples), len(real))).round().long()
    stored, labels = real.batch(spread)
    same_classes = compared.class_names and compared.class_names == real.class_names
    classes = one_hot(labels, len(real.class_names)).float() if same_classes else None
    in_their_place = replace(compared, samples=stored, classes=classes)
    figures, of_real, versions = {}, {}, {}
    for name, metric in stored_metrics(compared.modality.name).items():
        if name not in asked or metric.versions is None:
            continue
        measuring(metric.info.title)
        if (figure := metric.compute(compared)) is not None:
            figures[name] = figure
            versions |= metric.versions
            if metric.of_real and (theirs := metric.compute(in_their_place)) is not None:
                of_real[name] = theirs
    return StoredFigures(figures, of_real, versions)
