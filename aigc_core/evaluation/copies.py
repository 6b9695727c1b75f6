"""Copies of training images among a checkpoint's samples: what they are looked for in, and the worst of them."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.errors import AIGCError, Sentence
from aigc_core.metrics.memorisation import Resemblance
from aigc_core.modalities.image import image_grid

from .features import image_batches
from .reference import Reference
from .results import FIGURES, SAMPLING_SEED, Neighbour
from .training_set import load_training_set

NEIGHBOURS_SHOWN = 16
TRAINING_IMAGES_SHOWN = 5


def training_reference(config: CheckpointConfig, reference: Reference, metrics: list[str]) -> Reference | None:
    """The images that a checkpoint was trained on, for metrics named in FIGURES.

    None, with a warning for each metric, if unavailable or the reference itself.
    """
    try:
        if config.data_hash != reference.content_hash:
            training = Reference(load_training_set(config), "train", reference.extractor)
            if training.content_hash != reference.content_hash:
                return training
        reason = Sentence("The reference is the training data itself; name images held out of it as the reference.")
    except AIGCError as error:
        reason = error.sentence
    for name in metrics:
        title = Sentence(FIGURES[name].title)
        warnings.warn(Sentence("{figure} was not measured. {reason}", figure=title, reason=reason), stacklevel=3)
    return None


def most_copied(
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
    drawn = torch.cat([*image_batches(checkpoint, [SAMPLING_SEED + row for row in rows])]).cpu()
    pictures = torch.cat([drawn[:, None], real], dim=1).flatten(0, 1)
    return neighbours, image_grid(pictures, 1 + nearest.shape[1])
