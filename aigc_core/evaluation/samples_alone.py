"""Measure samples without a model: images from any tool against those of a data set or a folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection
from pathlib import Path

import torch

from aigc_core.data.datasets import is_registered
from aigc_core.data.folders import common_side
from aigc_core.data.sample_files import open_samples
from aigc_core.errors import AIGCError, Sentence
from aigc_core.metrics.catalogue import default_metrics

from .features import Sampled
from .figures import measure_classes, measure_figures, requested, too_few_for
from .real_samples import extractor_of
from .reference import MAX_BYTES, Reference, split_reference
from .results import VERSIONS, Result, keep_result
from .sample_set import SampleSet

MIN_SIDE, MAX_SIDE = 8, 1024
"""The smallest and largest side, in pixels, at which images of folders are compared."""


def evaluate_samples(
    samples: SampleSet,
    reference: str,
    extractor: str | None = None,
    weights: Path | None = None,
    metrics: Collection[str] | None = None,
    num_samples: int | None = None,
    measuring: Callable[[str], None] = lambda title: None,
) -> Result:
    """Measure images from any tool and write the result into their `eval/`.

    All images are converted to the size and channels of the named data set or, for a folder, to the size that most of
    them have, at most MAX_SIDE pixels, and the extractor's channels. `num_samples`: how many are measured, chosen by a
    fixed shuffle; by default all. Raises AIGCError if the images or the extractor are unavailable, and for too few or
    too small images.
    """
    started = time.perf_counter()
    metrics = default_metrics() if metrics is None else metrics
    dataset, _ = split_reference(reference)
    extracted_by = extractor_of(dataset, extractor, weights)
    with open_samples(samples.path, MAX_BYTES) as files:
        if is_registered(dataset):
            real = Reference.load(reference, extracted_by, None, None)
        else:
            resolution = _measured_side(samples.path, files.side, Path(dataset).expanduser())
            real = Reference.load(reference, extracted_by, resolution, extracted_by.channels)
        channels, resolution = real.data.images.shape[1:3]
        data = files.load(resolution, channels, num_samples)
        protocol = real.protocol(len(data))
        seen = Reference(data, "train", real.extractor)
        sampled = Sampled(seen.features, seen.logits, torch.zeros(len(data), 0))
    min_samples = too_few_for(sampled, real, metrics)
    metrics = [name for name in metrics if name not in min_samples]
    result = Result(
        protocol=protocol,
        figures=requested(measure_figures(sampled, real, None, metrics, measuring), metrics),
        min_samples=min_samples,
        classes=measure_classes(sampled, real, None),
        seconds=round(time.perf_counter() - started, 2),
        versions=VERSIONS,
    )
    keep_result(result, samples.results)
    return result


def _measured_side(path: Path, common: int, real: Path) -> int:
    """The side in pixels at which samples, mostly of the side `common`, and a folder are compared."""
    if common < MIN_SIDE:
        raise AIGCError(
            "Most images in '{folder}' are only {common} pixels high or wide; those measured need {minimum} at least.",
            folder=path,
            common=common,
            minimum=MIN_SIDE,
        )
    resolution = min(common, MAX_SIDE)
    for each, side in ((path, common), (real, common_side(real))):
        if side != resolution:
            warnings.warn(
                Sentence(
                    "The images in '{folder}', most of which have a shorter side of {side} pixels, are measured at "
                    "{resolution} × {resolution}.",
                    folder=each,
                    side=side,
                    resolution=resolution,
                ),
                stacklevel=3,
            )
    return resolution
