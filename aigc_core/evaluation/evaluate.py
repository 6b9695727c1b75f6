"""Measure a checkpoint, or samples from elsewhere, against real samples: the result under a protocol.

Features are extracted once, while samples are drawn, and shared by all figures. The cache keeps them, a thousand
samples per file, so an interrupted evaluation resumes where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from aigc_core.batching import batch_size
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.config import parse_config
from aigc_core.data.datasets import is_registered, public_name
from aigc_core.data.folders import common_side
from aigc_core.data.sample_files import open_samples
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Condition
from aigc_core.files import atomic_write
from aigc_core.metrics.balance import class_imbalance, class_shares, mode_coverage
from aigc_core.metrics.bits_per_dimension import bits_per_dimension
from aigc_core.metrics.catalogue import too_few_samples
from aigc_core.metrics.estimate import Estimate, Sizes
from aigc_core.metrics.extractors import Extractor, default_extractor, judges, load_extractor, own_extractor
from aigc_core.metrics.fid import Moments, fid_figures
from aigc_core.metrics.inception_score import inception_score
from aigc_core.metrics.kid import kernel_distance
from aigc_core.metrics.label_agreement import label_agreement
from aigc_core.metrics.memorisation import AUDITED, Resemblance, memorised_share, resemblance
from aigc_core.metrics.neighbours import MIN_IMAGES, neighbourhood_figures
from aigc_core.metrics.path_length import PATHS, path_ends, path_length
from aigc_core.modalities.as_images import as_images
from aigc_core.modalities.base import Modality
from aigc_core.modalities.image import ImageModality, image_grid
from aigc_core.modalities.png import to_picture
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import BATCH_SIZE, generate_batch, sample, seed_noise
from aigc_core.version import __version__

from .likelihood import real_sample_bits
from .reference import (
    CHUNK,
    DENSITY_NEIGHBOURHOOD,
    MAX_BYTES,
    NEIGHBOURHOOD,
    Reference,
    kept,
    load_seen,
    split_reference,
)
from .results import (
    FIGURES,
    NOT_KEPT,
    SAMPLING_SEED,
    ClassResult,
    Neighbour,
    Protocol,
    Result,
    is_trial,
    neighbours_path,
    read_results,
    read_trials,
    write_result,
)
from .sample_set import SampleSet
from .stored import evaluate_stored
from .training_set import check_may_be_read, load_training_set

DEFAULT_NUM_SAMPLES = 10_000
EVALUATION_BATCH_SIZE = 4 * BATCH_SIZE
MIN_SIDE, MAX_SIDE = 8, 1024
"""The smallest and largest side, in pixels, at which images of folders are compared."""
NEIGHBOURS_SHOWN = 16
TRAINING_IMAGES_SHOWN = 5
HEARD = 16
"""How many samples are checked for faults that no figure measures, such as clipped sound."""
VERSIONS = {
    "aigc_core": __version__,
    "torch": torch.__version__,
    "torch_fidelity": version("torch-fidelity"),
}


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


def evaluate(
    checkpoint: StoredCheckpoint,
    *,
    reference: str | Reference | None = None,
    extractor: str | None = None,
    weights: Path | None = None,
    num_samples: int = DEFAULT_NUM_SAMPLES,
    metrics: Collection[str] = tuple(FIGURES),
    progress: Callable[[float], None] = lambda share: None,
    measuring: Callable[[str], None] = lambda title: None,
    next_extractors: Sequence[Extractor] = (),
) -> Result:
    """Measure a checkpoint and write the result into the `eval/` of its folder, if it has one that is writable.

    Figures that were measured under the same protocol before, and are not measured now, are kept.

    `reference`: a loaded one, which several checkpoints can share, or DATASET, DATASET:SPLIT or a folder; by default
    the data that `default_reference` finds. `extractor` and `weights` are for a reference that is not loaded yet.
    `metrics`: names of FIGURES. `progress` is called with the share of samples drawn, 0 to 1; if it raises, the
    evaluation stops and the features extracted so far stay in the cache. `measuring` is called with the title of each
    figure before it is computed. `next_extractors`: extractors of the evaluations that follow, for which the samples
    then need not be drawn again.

    Memorisation is measured only against the images that the checkpoint was trained on. A warning says why it was not
    measured, that the result or the cache cannot be written, or that sounds are silent, clipped or all alike.
    Raises AIGCError if the data or the extractor is unavailable.
    """
    kind = checkpoint.modality
    if kind.map_shape is None and not isinstance(reference, Reference):
        result = evaluate_stored(checkpoint, reference, num_samples, metrics, progress, measuring)
        if checkpoint.path is not None:
            _keep(result, checkpoint.path)
        return result
    started = time.perf_counter()
    if not reference:
        reference = default_reference(checkpoint.config, extractor, weights)
    elif not isinstance(reference, Reference):
        reference = load_reference(reference, extractor, weights, kind)
    protocol = _protocol(reference, num_samples, kind)
    if kind.is_played:
        warn_of_faults(checkpoint)
    sampled = sample_features(checkpoint, reference.extractor, num_samples, progress, next_extractors)
    conditional = bool(checkpoint.config.num_classes) and checkpoint.config.class_names == reference.data.class_names
    asked = sampled.labels if conditional else None
    min_samples = _too_few(sampled, reference, metrics)
    metrics = [name for name in metrics if name not in min_samples]
    figures = _figures(sampled, reference, asked, metrics, measuring)
    if "bits_per_dimension" in metrics and isinstance(kind, ImageModality):  # only images are stored in 8 bits
        bits, _ = real_sample_bits(checkpoint, reference.data, SAMPLING_SEED)
        figures |= {} if bits is None else {"bits_per_dimension": bits_per_dimension(bits)}
    neighbours, picture = (), None
    training = _training_reference(checkpoint.config, reference) if "memorisation" in metrics else None
    if training is not None:
        measuring(FIGURES["memorisation"].title)
        audited = resemblance(sampled.features[:AUDITED], training.features)
        figures["memorisation"] = memorised_share(audited.scores, reference.resemblance_to(training).scores)
        neighbours, picture = _most_copied(checkpoint, audited, training)
    found = _asked(figures, metrics)
    if earlier := _earlier(checkpoint, protocol):
        known = found | {
            name: figure for name, figure in earlier.figures.items() if name not in metrics and name not in min_samples
        }
        found = {name: known[name] for name in FIGURES if name in known}
        min_samples = {
            name: min_samples.get(name) or earlier.min_samples[name]
            for name in FIGURES
            if name in min_samples or name in earlier.min_samples
        }
        neighbours = neighbours if "memorisation" in metrics else earlier.neighbours
    result = Result(
        protocol=protocol,
        figures=found,
        min_samples=min_samples,
        classes=_classes(sampled, reference, asked),
        neighbours=neighbours,
        step=checkpoint.config.step,
        samples_seen=checkpoint.config.samples_seen,
        seconds=round(time.perf_counter() - started, 2),
        seconds_per_sample=None if sampled.seconds is None else float(f"{sampled.seconds / num_samples:.3g}"),
        device=str(checkpoint.model.device),
        versions=VERSIONS,
    )
    if checkpoint.path is not None:
        _keep(result, checkpoint.path, picture)
    return result


def evaluate_samples(
    samples: SampleSet,
    reference: str,
    extractor: str | None = None,
    weights: Path | None = None,
    metrics: Collection[str] = tuple(FIGURES),
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
    dataset, _ = split_reference(reference)
    check_may_be_read(dataset)
    extracted_by = load_extractor(extractor or default_extractor(dataset), weights)
    with open_samples(samples.path, MAX_BYTES) as files:
        if is_registered(dataset):
            real = Reference.load(reference, extracted_by, None, None)
        else:
            resolution = _measured_side(samples.path, files.side, Path(dataset).expanduser())
            real = Reference.load(reference, extracted_by, resolution, extracted_by.channels)
        channels, resolution = real.data.images.shape[1:3]
        data = files.load(resolution, channels, num_samples)
        protocol = _protocol(real, len(data))
        seen = Reference(data, "train", real.extractor)
        sampled = Sampled(seen.features, seen.logits, torch.zeros(len(data), 0))
    min_samples = _too_few(sampled, real, metrics)
    metrics = [name for name in metrics if name not in min_samples]
    result = Result(
        protocol=protocol,
        figures=_asked(_figures(sampled, real, None, metrics, measuring), metrics),
        min_samples=min_samples,
        classes=_classes(sampled, real, None),
        seconds=round(time.perf_counter() - started, 2),
        versions=VERSIONS,
    )
    _keep(result, samples.results)
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


def _keep(result: Result, folder: Path, picture: Tensor | None = None) -> None:
    """Write a result and the picture uint8 [C, H, W] of its neighbours; only warn if that fails."""
    try:
        write_result(result, folder)
        if picture is not None and not is_trial(result.protocol, folder):
            with atomic_write(neighbours_path(result, folder)) as unfinished:
                to_picture(picture).save(unfinished)
    except AIGCError as error:
        warnings.warn(f"{NOT_KEPT}{error}", stacklevel=3)


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


def _asked(figures: dict[str, Estimate], metrics: Collection[str]) -> dict[str, Estimate]:
    """The requested figures, in the order of FIGURES."""
    return {name: figures[name] for name in FIGURES if name in figures and name in metrics}


def _too_few(sampled: Sampled, reference: Reference, metrics: Collection[str]) -> dict[str, int]:
    """The metrics that need more samples than there are, each with the number that it needs."""
    sizes = Sizes(sampled.features.shape[1], sampled.logits.shape[1], len(reference.data))
    return too_few_samples(len(sampled.features), sizes, metrics)


def _earlier(checkpoint: StoredCheckpoint, protocol: Protocol) -> Result | None:
    """The earlier result of this checkpoint under this protocol, if there is one that can be read."""
    if checkpoint.path is None:
        return None
    try:
        results = read_results(checkpoint.path) + read_trials(checkpoint.path)
    except (AIGCError, OSError):
        return None
    now = protocol, checkpoint.config.step, checkpoint.config.samples_seen
    return next((result for result in results if (result.protocol, result.step, result.samples_seen) == now), None)


def load_reference(text: str, extractor: str | None, weights: Path | None, kind: Modality) -> Reference:
    """Load a reference for samples of a kind; `extractor`: by default that of the data set.

    Raises AIGCError if the data or the extractor is unavailable.
    """
    dataset, split = split_reference(text)
    check_may_be_read(dataset)
    extracted_by = load_extractor(extractor or default_extractor(dataset), weights)
    return Reference(load_seen(kind, dataset, split), split, extracted_by)


def default_reference(config: CheckpointConfig, extractor: str | None, weights: Path | None) -> Reference:
    """The test split of the registered data set that a checkpoint was trained on, or the folder that it was trained on.

    Raises AIGCError if the folder is missing or cannot be shown to be the same.
    """
    kind = config.sample_kind
    if is_registered(config.dataset):
        return load_reference(config.dataset, extractor, weights, kind)
    if not config.dataset:
        raise AIGCError("It is not known what the model was trained on; name real images with --reference.")
    check_may_be_read(config.dataset)
    extracted_by = load_extractor(extractor or default_extractor(config.dataset), weights)
    try:
        data = load_training_set(config)
    except AIGCError as error:
        raise AIGCError(
            "There is nothing to compare with: {error} Name real images with --reference.", error=error
        ) from None
    if config.recipe.get("data_limit") is not None:
        data = load_seen(kind, config.dataset, "train")
    return Reference(data, "train", extracted_by)


def second_judges(reference: Reference) -> list[Reference]:
    """The same real images with the other extractors of their data set (`metrics.extractors.judges`)."""
    if own_extractor(reference.data.name) is None:
        return []
    _, *others = judges(reference.data.name)
    return [replace(reference, extractor=load_extractor(name)) for name in others]


def _protocol(reference: Reference, num_samples: int, kind: Modality | None = None) -> Protocol:
    """`kind`: of the samples; None for images of a folder."""
    for count, what in (
        (num_samples, Sentence("samples")),
        (len(reference.data), Sentence("real samples")),
    ):
        if count < MIN_IMAGES:
            raise AIGCError(
                "An evaluation needs {minimum} {what} at least, better thousands, not {count}.",
                minimum=MIN_IMAGES,
                what=what,
                count=count,
            )
    values = {
        "dataset": public_name(reference.data.name),
        "dataset_hash": reference.content_hash,
        "split": reference.split,
        "resolution": reference.data.images.shape[2],
        "channels": reference.data.images.shape[1],
        "num_reference": len(reference.data),
        "extractor": reference.extractor.name,
        "extractor_hash": reference.extractor.weights_hash,
        "num_samples": num_samples,
        "neighbourhood": NEIGHBOURHOOD,
        "density_neighbourhood": DENSITY_NEIGHBOURHOOD,
    }
    if kind is not None and not isinstance(kind, ImageModality):
        values |= {"modality": kind.name, "shape": kind.model_dump(mode="json")}
    return parse_config(Protocol, values, "Evaluation")


# Samples


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
            for images in _image_batches(checkpoint, seeds):
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


def warn_of_faults(checkpoint: StoredCheckpoint) -> None:
    """Warn if the modality finds something wrong with the first HEARD samples."""
    stored = sample(checkpoint, SampleRequest(seed=SAMPLING_SEED, count=HEARD)).stored
    if fault := checkpoint.modality.warning(stored):
        warnings.warn(fault, stacklevel=3)


def _sampling_key(checkpoint: StoredCheckpoint, extractor: Extractor) -> str:
    """The cache key of all that determines the features of a seed."""
    config = checkpoint.config
    model = [checkpoint.weights_sha256, config.architecture, config.architecture_config, config.class_shares]
    digest = hashlib.sha256(json.dumps([*model, __version__], sort_keys=True).encode()).hexdigest()[:16]
    return f"{digest}-{extractor.name}-{extractor.weights_hash}"


@torch.inference_mode()
def _image_batches(checkpoint: StoredCheckpoint, seeds: Sequence[int]) -> Iterator[Tensor]:
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


# Figures


def _figures(
    sampled: Sampled,
    reference: Reference,
    asked: Tensor | None,
    metrics: Collection[str],
    measuring: Callable[[str], None],
) -> dict[str, Estimate]:
    """The requested figures that can be measured; `asked`: labels [N, K] if the model has the reference's classes."""
    features, logits = sampled.features, sampled.logits
    found: dict[str, Estimate] = {}
    if not {"fid", "fid_infinity"}.isdisjoint(metrics):
        measuring(FIGURES["fid"].title)
        found |= fid_figures(features, reference.features, reference.moments, "fid_infinity" in metrics)
    if "kid" in metrics:
        measuring(FIGURES["kid"].title)
        found["kid"] = kernel_distance(features, reference.features, reference.kernel_pairs(len(features)))
    if "is" in metrics and logits.shape[1]:
        measuring(FIGURES["is"].title)
        found["is"] = inception_score(logits)
    if not {"precision", "recall", "density", "coverage"}.isdisjoint(metrics):
        measuring(FIGURES["precision"].title)
        found |= neighbourhood_figures(
            features, reference.features, NEIGHBOURHOOD, DENSITY_NEIGHBOURHOOD, reference.radii
        )
    if "ppl" in metrics and sampled.paths is not None:
        measuring(FIGURES["ppl"].title)
        found["ppl"] = path_length(*sampled.paths())
    if reference.is_classified:
        if asked is not None:
            found["label_agreement"] = label_agreement(logits, asked)
        found["mode_coverage"] = mode_coverage(class_shares(logits), class_shares(reference.logits))
        found["class_imbalance"] = class_imbalance(logits, reference.logits)
    return found


def _classes(sampled: Sampled, reference: Reference, asked: Tensor | None) -> dict[str, ClassResult]:
    """The results of each class of the reference."""
    names = reference.data.class_names
    shares, real_shares = (
        class_shares(part) if reference.is_classified else [None] * len(names)
        for part in (sampled.logits, reference.logits)
    )
    classes = {}
    for label, name in enumerate(names):
        fid = agreement = None
        real = reference.features[reference.data.labels == label]
        rows = asked.argmax(1) == label if asked is not None else torch.zeros(0, dtype=torch.bool)
        if asked is not None and min(int(rows.sum()), len(real)) >= MIN_IMAGES:
            own = Sampled(sampled.features[rows], sampled.logits[rows], asked[rows])
            if not _too_few(own, reference, ["fid"]):
                fid = fid_figures(own.features, real, Moments.of(real), extrapolate=False)["fid"]
                # No one compares classes across results: their influence values would only fill the file.
                fid = fid.model_copy(update={"influence_values": ()})
            if reference.is_classified:
                agreement = label_agreement(own.logits, own.labels)
        classes[name] = ClassResult(
            share=shares[label], real_share=real_shares[label], fid=fid, label_agreement=agreement
        )
    return classes


# Copies of training images


def _training_reference(config: CheckpointConfig, reference: Reference) -> Reference | None:
    """The images that a checkpoint was trained on; None, with a warning, if unavailable or the reference itself."""
    try:
        if config.data_hash != reference.content_hash:
            training = Reference(load_training_set(config), "train", reference.extractor)
            if training.content_hash != reference.content_hash:
                return training
        reason = Sentence("The reference is the training data itself; name images held out of it as the reference.")
    except AIGCError as error:
        reason = error.sentence
    warnings.warn(Sentence("Memorisation was not measured. {reason}", reason=reason), stacklevel=3)
    return None


def _most_copied(
    checkpoint: StoredCheckpoint, audited: Resemblance, training: Reference
) -> tuple[tuple[Neighbour, ...], Tensor]:
    """The samples that most resemble a training image, and a picture uint8 [C, H, W] of them and their neighbours."""
    rows = audited.scores.argsort()[:NEIGHBOURS_SHOWN].tolist()
    neighbours = tuple(
        Neighbour(
            seed=SAMPLING_SEED + row,
            train_index=int(audited.indices[row, 0]),
            distance=round(audited.distances[row].item(), 6),
            score=round(audited.scores[row].item(), 6),
        )
        for row in rows
    )
    nearest = audited.indices[rows, :TRAINING_IMAGES_SHOWN]
    real = torch.stack([training.data.batch(indices)[0] for indices in nearest])
    drawn = torch.cat([*_image_batches(checkpoint, [SAMPLING_SEED + row for row in rows])]).cpu()
    pictures = torch.cat([drawn[:, None], real], dim=1).flatten(0, 1)
    return neighbours, image_grid(pictures, 1 + nearest.shape[1])
