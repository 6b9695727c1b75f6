"""What the tab Train shows of data before a training: how much there is, what it looks like, and what is left out."""

from __future__ import annotations

import html
import threading
import warnings
from collections import Counter
from pathlib import Path

import torch

from aigc_core.data.corpora import SUFFIXES as TEXT_SUFFIXES
from aigc_core.data.corpora import named_corpora
from aigc_core.data.datasets import data_folder, dataset_names, is_registered, named_datasets
from aigc_core.data.folders import readable_suffixes
from aigc_core.data.listing import files_in
from aigc_core.data.sound_files import SUFFIXES as SOUND_SUFFIXES
from aigc_core.data.sounds import named_sounds
from aigc_core.errors import AIGCError
from aigc_core.modalities.base import modalities
from aigc_core.modalities.image import image_grid
from aigc_core.training.presets import preset_names, read_preset
from aigc_core.training.recipe import TrainingConfig

from .language import t
from .pictures import as_data_uri, png_of

SHOWN, SHOWN_TEXTS, COLUMNS = 24, 3, 8
MAX_READ = 5000
"""Of a larger folder only so many are looked at here; the training reads them all."""

_warnings = threading.Lock()


def offered_data() -> list[str]:
    """The named collections that are on this machine."""
    here = [name for name in dataset_names() if _is_here(named_datasets[name].folder)]
    return [*here, *(name for name in (*named_corpora, *named_sounds) if _is_here(name) or name == "python")]


def _is_here(folder: str) -> bool:
    return (data_folder() / folder).is_dir()


def kind_of(data: str) -> str:
    """The modality of a named collection, a folder or a file. Raises AIGCError where there is none or it is empty."""
    if is_registered(data):
        return "text" if data in named_corpora else "audio" if data in named_sounds else "image"
    path = Path(data).expanduser()
    if not data or not path.exists():
        raise AIGCError("There is no folder '{name}'; name one with pictures, texts or sounds.", name=data)
    kinds = {"image": {*readable_suffixes()}, "text": {*TEXT_SUFFIXES}, "audio": {*SOUND_SUFFIXES}}
    files = [path] if path.is_file() else files_in(path, set().union(*kinds.values()))[0]
    counts = Counter(kind for file in files for kind, suffixes in kinds.items() if file.suffix.lower() in suffixes)
    if not counts:
        raise AIGCError("There are no pictures, texts or sounds in '{name}'.", name=data)
    return counts.most_common(1)[0][0]


def fitting_presets(data: str) -> dict[str, str]:
    """The presets for data, each with its family: those made for it first, then those for data of one's own."""
    kind = kind_of(data)
    recipes = {name: TrainingConfig.model_validate(read_preset(name)) for name in preset_names()}
    fitting = {name: recipe for name, recipe in recipes.items() if recipe.modality == kind}
    made = [name for name, recipe in fitting.items() if recipe.data == data or recipe.data.partition(":")[0] == data]
    own = [name for name, recipe in fitting.items() if recipe.data.isupper()]  # PICTURES, TEXTS: to be given
    return {name: fitting[name].family for name in (*made, *own)}


def describe_data(data: str, preset: str) -> str:
    """What a preset makes of data, as HTML: thumbnails, counts, what is left out. Raises AIGCError as loading does."""
    recipe = TrainingConfig.model_validate(read_preset(preset) | {"data": data})
    limit = None if is_registered(data) or recipe.modality != "image" else MAX_READ
    with _warnings, warnings.catch_warnings(record=True) as caught:  # which all threads share
        warnings.simplefilter("always")
        modality, dataset = modalities[recipe.modality].load(data, recipe.shape, limit)
    count = len(dataset)
    names = dataset.class_names if recipe.conditional else ()
    counted = torch.bincount(dataset.labels, minlength=len(names)).tolist() if names else []
    facts = [t("{count:,} training samples: {kind}", count=count, kind=modality.describe())]
    if limit and count == limit:
        facts = [t("{count:,} training samples or more, of which the first were read here", count=count)]
    if counted:
        listed = ", ".join(f"{name} ({number:,})" for name, number in list(zip(names, counted))[:12])
        more = " …" if len(names) > 12 else ""
        facts.append(t("{count} classes: {names}", count=len(names), names=listed + more))
    else:
        facts.append(t("no classes; put the files into subfolders to have some") if limit else t("no classes"))
    said = list(dict.fromkeys(t(each.message.args[0]) for each in caught if isinstance(each.message, UserWarning)))
    parts = [f"<p>{html.escape('; '.join(facts))}.</p>"]
    parts += [f'<p class="warning">{html.escape(sentence)}</p>' for sentence in said]
    chosen = torch.linspace(0, count - 1, min(SHOWN, count)).round().long()
    stored = dataset.samples[chosen]
    if modality.media == "text":
        shown = "".join(f"<pre>{html.escape(each)}</pre>" for each in modality.texts(stored[:SHOWN_TEXTS]))
        parts.insert(0, f'<div class="texts">{shown}</div>')
    elif modality.media in ("image", "audio"):
        pictures = modality.pictures(modality.to_stored(modality.to_model(stored)))
        address = as_data_uri(png_of(image_grid(pictures, COLUMNS)))
        parts.insert(0, f'<img class="thumbnails" src="{address}" alt="{t("Some of the training data")}">')
    return "".join(parts)
