"""`avatars` and `avatars-128`: people, critters, sprouts and robots, drawn on this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from aigc_core.data.dataset import UNKNOWN, Attributes
from aigc_core.data.datasets import NamedDataset, register_dataset
from aigc_core.data.dicebear import STYLES, drawn_avatars, parts_of, read_attributes

COUNTS = {
    "avatars": (64, {"train": 10_000, "test": 2_000}),
    "avatars-128": (128, {"train": 5_000, "test": 1_000}),
}
"""Pixels a side, and pictures of each class by split."""
ABSENT = "none"


def read_avatars(counts: dict[str, int], folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """The pictures uint8 [N, 3, side, side] and labels int64 [N] of a split whose parts lie in the folder.

    `counts`: how many pictures of each class are in each split. Raises FileNotFoundError where a part is missing.
    """
    parts = parts_of(split, counts[split])
    if not all(part.path(folder).is_file() for part in parts):
        raise FileNotFoundError(folder)
    images = torch.cat([load_file(part.path(folder))["images"] for part in parts])
    return images, torch.arange(len(STYLES)).repeat_interleave(counts[split])


def avatar_attributes(folder: Path, split: str) -> Attributes:
    """Which parts and colours each picture has, each attribute of each class by itself, such as "person head".

    Parts that a picture can lack have the value "none". Raises FileNotFoundError where no pictures were drawn.
    """
    known = read_attributes(folder, "train")  # where every value occurs
    values: dict[str, tuple[str, ...]] = {}
    for class_name, of_class in zip(STYLES, _by_class(known)):
        for attribute in sorted({name for one in of_class for name in one} - {"seed"}):
            found = sorted({one.get(attribute, ABSENT) for one in of_class})
            if len(found) > 1:
                values[f"{class_name} {attribute}"] = tuple(found)
    rows = []
    for class_name, of_class in zip(STYLES, _by_class(known if split == "train" else read_attributes(folder, split))):
        for one in of_class:
            present = {f"{class_name} {name}": value for name, value in one.items()}
            rows.append(
                [
                    possible.index(present.get(name, ABSENT)) if name.startswith(f"{class_name} ") else UNKNOWN
                    for name, possible in values.items()
                ]
            )
    return Attributes(values, torch.tensor(rows))


def _by_class(known: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """As the pictures lie, class by class, as many of each."""
    count = len(known) // len(STYLES)
    return [known[start : start + count] for start in range(0, len(known), count)]


for _name, (_side, _counts) in COUNTS.items():
    register_dataset(
        _name,
        NamedDataset(
            partial(read_avatars, _counts),
            tuple(STYLES),
            licence="CC0 1.0",
            source="DiceBear's styles Open Peeps (Pablo Stanley), Critters, Sprouts and Voxel Bot (DiceBear)",
            attributes=avatar_attributes,
            draw=partial(drawn_avatars, side=_side, counts=_counts),
        ),
    )
