"""Samples as feature extractors see them: images of what models draw, such as the spectrograms of sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from aigc_core.data.dataset import Dataset
from aigc_core.data.datasets import ImageDataset

from .base import Modality
from .image import eight_bit

PART = 256
"""How many samples are converted at a time."""


def as_images(kind: Modality, stored: Tensor) -> Tensor:
    """Stored samples [N, …] of a kind with a `map_shape` → images uint8 [N, C, H, W]; images stay as they are."""
    return eight_bit(kind.to_model(stored))


@dataclass(frozen=True, eq=False)
class SeenDataset(ImageDataset):
    """Other samples as images. Its hash is that of the `original`, as rounding may change the images."""

    original: Dataset

    def content_hash(self) -> str:
        return self.original.content_hash()


def load_as_images(kind: Modality, name: str, split: str, limit: int | None = None) -> SeenDataset:
    """A split of a data set of a kind with a `map_shape`. Raises AIGCError as the kind's `load_split` does."""
    data = kind.load_split(name, split, limit)
    images = torch.cat([as_images(kind, cast(Tensor, part)) for part in data.samples.split(PART)])
    return SeenDataset(data.name, images, data.labels, data.class_names, data.licence, data.source, data)
