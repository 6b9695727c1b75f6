"""`emoji` and `emoji-people`: Noto Emoji, as the npm package emoji-datasource-google sorts them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from aigc_core.data.datasets import NamedDataset, register_dataset
from aigc_core.data.image_files import read_image
from aigc_core.data.packages import find_file

EMOJI_CATEGORIES = (
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
    "Flags",
)
EMOJI_SKIN_TONES = {
    "": "yellow",
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}


def _read_emoji(
    folder: Path, class_names: tuple[str, ...], class_of: Callable[[dict, str], str]
) -> tuple[Tensor, Tensor]:
    """The emoji whose class, by their entry in emoji.json and their skin tone's code, is among `class_names`."""
    entries = json.loads(find_file(folder, "emoji.json").read_text(encoding="utf-8"))
    pictures = find_file(folder, "1f600.png").parent
    images, labels = [], []
    for entry in sorted(entries, key=lambda entry: entry["sort_order"]):
        for tone, variant in {"": entry, **entry.get("skin_variations", {})}.items():
            if variant["has_img_google"] and (name := class_of(entry, tone)) in class_names:
                images.append(torch.from_numpy(read_image(pictures / variant["image"], 64, 3)))
                labels.append(class_names.index(name))
    return torch.stack(images), torch.tensor(labels)


def _read_all_emoji(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    return _read_emoji(folder, EMOJI_CATEGORIES, lambda entry, tone: entry["category"])


def _read_emoji_people(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Portraits, each in every skin tone."""
    portraits = ("person", "person-role", "person-gesture")
    return _read_emoji(
        folder,
        tuple(EMOJI_SKIN_TONES.values()),
        lambda entry, tone: EMOJI_SKIN_TONES.get(tone, "") if entry["subcategory"] in portraits else "",
    )


for _name, _read, _class_names in (
    ("emoji", _read_all_emoji, EMOJI_CATEGORIES),
    ("emoji-people", _read_emoji_people, tuple(EMOJI_SKIN_TONES.values())),
):
    register_dataset(
        _name,
        NamedDataset(
            _read,
            _class_names,
            licence="Apache-2.0",
            source="Google: Noto Emoji 2.048, by the npm package emoji-datasource-google",
            splits=("train",),
            folder="emoji",
            npm_package="emoji-datasource-google",
        ),
    )
