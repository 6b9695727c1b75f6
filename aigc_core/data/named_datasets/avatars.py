"""`avatars` and `avatars-128`: people, critters, sprouts and robots, drawn on this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from aigc_core.data.datasets import NamedDataset, register_dataset
from aigc_core.data.dicebear import STYLES, drawn_avatars, parts_of

COUNTS = {
    "avatars": (64, {"train": 10_000, "test": 2_000}),
    "avatars-128": (128, {"train": 5_000, "test": 1_000}),
}
"""Pixels a side, and pictures of each class by split."""


def read_avatars(counts: dict[str, int], folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """The pictures uint8 [N, 3, side, side] and labels int64 [N] of a split whose parts lie in the folder.

    `counts`: how many pictures of each class are in each split. Raises FileNotFoundError where a part is missing.
    """
    parts = parts_of(split, counts[split])
    if not all(part.path(folder).is_file() for part in parts):
        raise FileNotFoundError(folder)
    images = torch.cat([load_file(part.path(folder))["images"] for part in parts])
    return images, torch.arange(len(STYLES)).repeat_interleave(counts[split])


for _name, (_side, _counts) in COUNTS.items():
    register_dataset(
        _name,
        NamedDataset(
            partial(read_avatars, _counts),
            tuple(STYLES),
            licence="CC0 1.0",
            source="DiceBear's styles Open Peeps (Pablo Stanley), Critters, Sprouts and Voxel Bot (DiceBear)",
            draw=partial(drawn_avatars, side=_side, counts=_counts),
        ),
    )
