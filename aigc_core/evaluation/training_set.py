"""The data a checkpoint was trained on, found again on this machine.

A folder's name is the place of the data on the machine where the model was trained; here, another folder may have that
name. So a folder counts as the training data only if the hash of its content is the one in the checkpoint's config.
"""

from __future__ import annotations

from pathlib import Path

from aigc_core.access import is_public
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.data.datasets import ImageDataset, dataset_names, is_registered
from aigc_core.errors import AIGCError

from .reference import load_seen


def load_training_set(config: CheckpointConfig) -> ImageDataset:
    """The samples that a checkpoint was trained on, as it saw them.

    Raises AIGCError if they are not on this machine or may be other ones.
    """
    if not config.dataset:
        raise AIGCError("It is not known what the model was trained on.")
    check_may_be_read(config.dataset)
    if not is_registered(config.dataset):
        if not config.data_hash:
            raise AIGCError(
                "Of the folder that it was trained on, the checkpoint knows the name '{name}' and not the content.",
                name=config.dataset,
            )
        if not Path(config.dataset).expanduser().is_dir():
            raise AIGCError(
                "The folder that the checkpoint was trained on, '{name}', is not here.", name=config.dataset
            )
    limit = config.recipe.get("data_limit")
    dataset = load_seen(config.sample_kind, config.dataset, "train", limit if isinstance(limit, int) else None)
    if config.data_hash and dataset.content_hash() != config.data_hash:
        raise AIGCError(
            "'{name}' holds other images here than those the checkpoint was trained on (hash {here}, not {there}).",
            name=config.dataset,
            here=dataset.content_hash(),
            there=config.data_hash,
        )
    return dataset


def check_may_be_read(dataset: str) -> None:
    """Raise AIGCError for a folder of this machine if the process is public."""
    if is_public() and not is_registered(dataset):
        raise AIGCError(
            "'{dataset}' cannot be read here; name one of the data sets {known}.",
            dataset=dataset,
            known=", ".join(dataset_names()),
        )
