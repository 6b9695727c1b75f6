"""Measure a checkpoint against real samples: the result under a protocol."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.data.datasets import public_name
from aigc_core.errors import AIGCError
from aigc_core.metrics.catalogue import default_metrics, stored_metrics
from aigc_core.metrics.extractors import Extractor, own_extractor
from aigc_core.metrics.feature_likelihood import feature_likelihood_divergence
from aigc_core.metrics.memorisation import AUDITED, memorised_share, resemblance
from aigc_core.metrics.stored import JUDGED
from aigc_core.modalities.image import ImageModality
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample

from .copies import most_copied, training_reference
from .features import sample_features
from .figures import measure_classes, measure_figures, requested, too_few_for
from .likelihood import likelihood_figures
from .real_samples import default_reference, load_reference
from .reference import Reference, split_reference
from .results import FIGURES, SAMPLING_SEED, VERSIONS, Protocol, Result, keep_result, read_results, read_trials
from .stored import drawn_beside, evaluate_stored, measure_stored

DEFAULT_NUM_SAMPLES = 10_000
HEARD = 16
"""How many samples are checked for faults that no figure measures, such as clipped sound."""


def evaluate(
    checkpoint: StoredCheckpoint,
    *,
    reference: str | Reference | None = None,
    extractor: str | None = None,
    weights: Path | None = None,
    num_samples: int = DEFAULT_NUM_SAMPLES,
    metrics: Collection[str] | None = None,
    progress: Callable[[float], None] = lambda share: None,
    measuring: Callable[[str], None] = lambda title: None,
    next_extractors: Sequence[Extractor] = (),
) -> Result:
    """Measure a checkpoint and write the result into the `eval/` of its folder, if it has one that is writable.

    Figures that were measured under the same protocol before, and are not measured now, are kept.

    `reference`: a loaded one, which several checkpoints can share, or DATASET, DATASET:SPLIT or a folder; by default
    the data that `default_reference` finds. `extractor` and `weights` are for a reference that is not loaded yet.
    `metrics`: names of FIGURES; by default `default_metrics`. `progress` is called with the share of samples drawn, 0
    to 1; if it raises, the evaluation stops and the features extracted so far stay in the cache. `measuring` is called
    with the title of each figure before it is computed. `next_extractors`: extractors of the evaluations that follow,
    for which the samples then need not be drawn again.

    Memorisation and FLD are measured only against the images that the checkpoint was trained on. A warning says why
    they were not measured, that the result or the cache cannot be written, or that sounds are silent, clipped or all
    alike. Raises AIGCError if the data or the extractor is unavailable.
    """
    metrics = default_metrics() if metrics is None else metrics
    kind = checkpoint.modality
    if kind.map_shape is None and not isinstance(reference, Reference):
        measured = evaluate_stored(checkpoint, reference, num_samples, metrics, progress, measuring)
        return _kept(measured, checkpoint, metrics)
    started = time.perf_counter()
    if not reference:
        reference = default_reference(checkpoint.config, extractor, weights)
    elif not isinstance(reference, Reference):
        reference = load_reference(reference, extractor, weights, kind)
    protocol = reference.protocol(num_samples, kind)
    if kind.is_played:
        warn_of_faults(checkpoint)
    sampled = sample_features(checkpoint, reference.extractor, num_samples, progress, next_extractors)
    conditional = bool(checkpoint.config.num_classes) and checkpoint.config.class_names == reference.data.class_names
    asked = sampled.labels if conditional else None
    min_samples = too_few_for(sampled, reference, metrics)
    metrics = [name for name in metrics if name not in min_samples]
    figures = measure_figures(sampled, reference, asked, metrics, measuring)
    if isinstance(kind, ImageModality):  # only images are stored in 8 bits
        figures |= likelihood_figures(checkpoint, reference.data, metrics, SAMPLING_SEED)
    neighbours, picture = (), None
    against_training = [name for name in ("memorisation", "fld") if name in metrics]
    training = training_reference(checkpoint.config, reference, against_training) if against_training else None
    if training is not None and "memorisation" in metrics:
        measuring(FIGURES["memorisation"].title)
        audited = resemblance(sampled.features[:AUDITED], training.features)
        figures["memorisation"] = memorised_share(audited.scores, reference.resemblance_to(training).scores)
        neighbours, picture = most_copied(checkpoint, audited, training)
    if training is not None and "fld" in metrics:
        measuring(FIGURES["fld"].title)
        baseline = reference.likelihood_baseline(training)
        figures["fld"] = feature_likelihood_divergence(
            sampled.features, training.features, reference.features, baseline
        )
    own, of_real, versions = stored_metrics(kind.name).keys() & set(metrics), {}, VERSIONS
    if own:
        real, learnt = (kind.load_split(reference.data.name, split) for split in (reference.split, "train"))
        drawn = drawn_beside(checkpoint, real, learnt, min(num_samples, JUDGED), lambda share: None)
        measured = measure_stored(drawn, real, own, measuring)
        figures, of_real, versions = figures | measured.figures, measured.of_real, VERSIONS | measured.versions
    result = Result(
        protocol=protocol,
        figures=requested(figures, metrics),
        real_figures=of_real,
        min_samples=min_samples,
        classes=measure_classes(sampled, reference, asked),
        neighbours=neighbours,
        step=checkpoint.config.step,
        samples_seen=checkpoint.config.samples_seen,
        seconds=round(time.perf_counter() - started, 2),
        seconds_per_sample=None if sampled.seconds is None else float(f"{sampled.seconds / num_samples:.3g}"),
        device=str(checkpoint.model.device),
        versions=versions,
    )
    return _kept(result, checkpoint, metrics, picture)


def _kept(
    result: Result, checkpoint: StoredCheckpoint, metrics: Collection[str], neighbours: Tensor | None = None
) -> Result:
    """The result with what was measured earlier, and `metrics` do not name, written to the checkpoint's folder, if it
    has one; `neighbours`: their picture."""
    if checkpoint.path is None:
        return result
    if earlier := _earlier(checkpoint, checkpoint.path, result.protocol):
        result = _joined(earlier, result, metrics)
    keep_result(result, checkpoint.path, neighbours)
    return result


def _joined(earlier: Result, result: Result, metrics: Collection[str]) -> Result:
    """The newer result with the figures of the earlier one that `metrics` do not name."""
    known = {
        name: figure
        for name, figure in earlier.figures.items()
        if name not in metrics and name not in result.min_samples
    }
    figures, real_figures = known | result.figures, earlier.real_figures | result.real_figures
    few = {name: count for name, count in earlier.min_samples.items() if name not in known | result.figures}
    few |= result.min_samples
    return result.model_copy(
        update={
            "figures": requested(figures, FIGURES),
            "real_figures": {name: figure for name, figure in real_figures.items() if name in figures},
            "min_samples": {name: few[name] for name in FIGURES if name in few},
            "neighbours": result.neighbours if "memorisation" in metrics else earlier.neighbours,
            "versions": earlier.versions | result.versions,
        }
    )


def _earlier(checkpoint: StoredCheckpoint, folder: Path, protocol: Protocol) -> Result | None:
    """The earlier result of this checkpoint under this protocol, if there is one that can be read."""
    try:
        results = read_results(folder) + read_trials(folder)
    except (AIGCError, OSError):
        return None
    now = protocol, checkpoint.config.step, checkpoint.config.samples_seen
    return next((result for result in results if (result.protocol, result.step, result.samples_seen) == now), None)


def warn_of_faults(checkpoint: StoredCheckpoint) -> None:
    """Warn if the modality finds something wrong with the first HEARD samples."""
    stored = sample(checkpoint, SampleRequest(seed=SAMPLING_SEED, count=HEARD)).stored
    if fault := checkpoint.modality.warning(stored):
        warnings.warn(fault, stacklevel=3)


def follows_default(protocol: Protocol, config: CheckpointConfig) -> bool:
    """Whether the card shows a result: one of at least DEFAULT_NUM_SAMPLES samples against the test split of the
    training data, by its own extractor."""
    if not config.dataset:
        return False
    dataset, split = split_reference(config.dataset)
    if own_extractor(dataset) not in (None, protocol.extractor):
        return False
    against = protocol.dataset, protocol.split
    return protocol.num_samples >= DEFAULT_NUM_SAMPLES and against == (public_name(dataset), split)
