"""Which real samples a checkpoint is measured against: those that are named, or the data that it was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.data.datasets import is_registered
from aigc_core.errors import AIGCError
from aigc_core.metrics.extractors import (
    Extractor,
    default_extractor,
    judges,
    load_extractor,
    own_extractor,
)
from aigc_core.modalities.base import Modality

from .reference import Reference, load_seen, split_reference
from .training_set import check_may_be_read, load_training_set


def extractor_of(dataset: str, name: str | None, weights: Path | None) -> Extractor:
    """The named extractor for a data set or folder, by default its own. Raises AIGCError if either is unavailable."""
    check_may_be_read(dataset)
    return load_extractor(name or default_extractor(dataset), weights)


def load_reference(text: str, extractor: str | None, weights: Path | None, kind: Modality) -> Reference:
    """Load a reference for samples of a kind; `extractor`: by default that of the data set.

    Raises AIGCError if the data or the extractor is unavailable.
    """
    dataset, split = split_reference(text)
    extracted_by = extractor_of(dataset, extractor, weights)
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
    extracted_by = extractor_of(config.dataset, extractor, weights)
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
