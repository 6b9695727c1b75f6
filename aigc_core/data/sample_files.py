"""Images that others drew, as the field's tools write them: folders, zips of images, and arrays in an npz.

    FOLDER         image files, in subfolders or not (StudioGAN's png, EDM's)
    samples.zip    image files with any names (EDM, StyleGAN)
    samples.npz    arr_0 uint8 [N, H, W, C] (guided-diffusion) or x uint8 [N, C, H, W] (StudioGAN, BigGAN)

An archive is a stranger's: of the names in it only letters are used, its sizes are bounded before anything is unpacked,
and arrays of Python objects, which NumPy would unpickle, are refused.
"""

from __future__ import annotations

import lzma
import math
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import cast

import numpy
import torch
from torch import Tensor

from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import cache_folder, translate_io_errors

from .datasets import ImageDataset, balanced_choice, load_dataset
from .folders import REMEDIES, common_side
from .image_files import readable_suffixes
from .listing import warn_of_others
from .packages import scratch_folder
from .streaming import ConvertedImages

ARCHIVE_SUFFIXES = (".zip", ".npz")
BESIDE = {"", ".md", ".txt", ".json", ".jsonl", ".yaml", ".yml", ".csv"}
"""What may lie beside images for them to count as all that is there."""
ARRAY_NAMES = ("arr_0", "x", "samples", "images")
MAX_UNPACKED = 16 * 2**30
"""Bytes: 50,000 images of 256 × 256 in colour are 10 GB."""
MODEST = 256 * 2**20
MAX_RATIO = 100
"""What unpacks to more than `MODEST` bytes may be so many times as large as its file: pixels hardly ever are."""
MAX_IMAGES = 1_000_000


@dataclass(frozen=True)
class SampleFiles:
    """Opened samples: the shorter `side` in pixels that most have; `load(resolution, channels, limit)` reads them."""

    side: int
    load: Callable[[int, int, int | None], ImageDataset]


def only_samples(names: Collection[str]) -> list[str]:
    """The images, or else the one archive, of a folder by the names of all its files (relative, with `/`).

    Empty where there are none, or where anything but text lies beside them: the folder is then something else.
    """
    seen = [name for name in names if not any(part.startswith(".") for part in name.split("/")) and name[:5] != "eval/"]
    suffixes = {name: PurePosixPath(name).suffix.lower() for name in seen}
    images = [name for name in seen if suffixes[name] in readable_suffixes()]
    archives = [name for name in seen if suffixes[name] in ARCHIVE_SUFFIXES]
    found = images or archives
    others = {suffixes[name] for name in seen if name not in {*found}}
    return sorted(found) if others <= BESIDE and (images or len(archives) == 1) else []


@contextmanager
def open_samples(path: Path, max_bytes: int) -> Iterator[SampleFiles]:
    """The samples of a folder or an archive, which is unpacked inside the cache until the block ends.

    Of what is loaded, more than `max_bytes` are read while they are used. Raises AIGCError for an archive that is
    damaged, too large, holds names that lead out of it, or no images.
    """
    if path.suffix.lower() not in ARCHIVE_SUFFIXES or not path.is_file():
        yield _of_folder(path, max_bytes)
        return
    with scratch_folder(_scratch_place()) as scratch, _opened_archive(path) as archive:
        if path.suffix.lower() == ".npz":
            images = _array(path, archive, scratch)
            yield SampleFiles(images.shape[2], _loader(path, images, max_bytes))
        else:
            yield _of_folder(_unpacked(path, archive, scratch / path.stem), max_bytes)


def _scratch_place() -> Path:
    """A folder inside the cache, or where that cannot be written the system's for temporary files."""
    place = cache_folder("samples")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return place if os.access(place, os.W_OK) else Path(tempfile.gettempdir())


def _of_folder(folder: Path, max_bytes: int) -> SampleFiles:
    def load(resolution: int, channels: int, limit: int | None) -> ImageDataset:
        return load_dataset(
            str(folder), resolution=resolution, channels=channels, limit=limit, max_bytes=max_bytes, check=True
        )

    return SampleFiles(common_side(folder), load)


def _loader(path: Path, images: Tensor, max_bytes: int) -> Callable[[int, int, int | None], ImageDataset]:
    def load(resolution: int, channels: int, limit: int | None) -> ImageDataset:
        labels = torch.zeros(len(images), dtype=torch.int64)
        data = ImageDataset(str(path), images, labels, (), "", "an array of images")
        if limit is not None and limit < len(images):
            chosen = balanced_choice(labels, limit)
            data = replace(data, samples=images[chosen], labels=labels[chosen])
        converted = ConvertedImages(data.images, resolution, channels)
        if converted.shape == data.images.shape:
            return data
        fits = math.prod(converted.shape) <= max_bytes
        return replace(data, samples=converted.all() if fits else cast(Tensor, converted))

    return load


# Archives


@contextmanager
def _opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            _check(path, archive.infolist())
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise AIGCError("'{path}' is damaged or no zip archive ({error}).", path=path, error=error) from None


def _check(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raises AIGCError for members that would fill the disk, lead out of a folder, or cannot be read."""
    total = sum(member.file_size for member in members)
    if total > MAX_UNPACKED or total > max(MODEST, MAX_RATIO * path.stat().st_size):
        raise AIGCError(
            "'{path}' would unpack to {megabytes:,.0f} MB, which is more than samples of its size hold; refused.",
            path=path,
            megabytes=total / 2**20,
        )
    if len(members) > MAX_IMAGES:
        raise AIGCError("'{path}' has over {limit:,} files; refused.", path=path, limit=MAX_IMAGES)
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[:1]:
            raise AIGCError(
                "'{path}' names a file outside itself ('{name}'); refused.", path=path, name=member.filename[:200]
            )
        if member.flag_bits & 1:
            raise AIGCError("'{path}' is encrypted; unpack it and name the folder.", path=path)


def _unpacked(path: Path, archive: zipfile.ZipFile, folder: Path) -> Path:
    """A new folder with the images of a zip by number, in the order of their names, of which the letters stay."""
    suffixes = readable_suffixes()
    members: list[tuple[PurePosixPath, zipfile.ZipInfo]] = []
    ignored: Counter[str] = Counter()
    for member in sorted(archive.infolist(), key=lambda member: member.filename):
        name = PurePosixPath(member.filename)
        if member.is_dir() or name.name.startswith("."):  # what macOS adds
            continue
        if name.suffix.lower() in suffixes:
            members.append((name, member))
        else:
            ignored[name.suffix.lower() or Sentence("files without a suffix")] += 1
    if not members:
        raise AIGCError("There is no image in '{path}' that can be read here.", path=path)
    said = Sentence("{others:,} files beside the {count:,} images in '{folder}' are left out: {kinds}.")
    warn_of_others(said, ignored, len(members), path, stacklevel=4, remedies=REMEDIES)
    with translate_io_errors(folder):
        folder.mkdir()
    for number, (name, member) in enumerate(members):
        letters = re.sub(r"[^A-Za-z0-9_-]+", "_", name.stem)[:80]
        _extract(archive, member, folder / f"{number:07}-{letters}{name.suffix.lower()}")
    return folder


def _array(path: Path, archive: zipfile.ZipFile, scratch: Path) -> Tensor:
    """The centre squares uint8 [N, C, S, S] of the images of an npz, left on the disk."""
    members = {PurePosixPath(member.filename).stem: member for member in archive.infolist()}
    name = next((name for name in ARRAY_NAMES if name in members), None)
    if name is None:
        raise AIGCError(
            "'{path}' holds no images: none of its arrays ({names}) is called {known}.",
            path=path,
            names=", ".join(sorted(members)[:10]),
            known=", ".join(ARRAY_NAMES),
        )
    _extract(archive, members[name], scratch / "images.npy")
    try:
        # Copied on writing: nothing is written, and torch takes no arrays that are for reading alone.
        array = numpy.load(scratch / "images.npy", mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TokenError, OverflowError, MemoryError) as error:  # of its header
        if "Python objects" in str(error) or "allow_pickle" in str(error):
            raise AIGCError(
                "'{path}' holds Python objects as a pickle, which can run code when opened and is never read here; "
                "write the images as an array uint8.",
                path=path,
            ) from None
        raise AIGCError("'{path}' holds no array that can be read ({error}).", path=path, error=error) from None
    by_channel = array.ndim == 4 and array.shape[3] not in (1, 3)
    if array.dtype != numpy.uint8 or array.ndim != 4 or array.shape[1 if by_channel else 3] not in (1, 3):
        raise AIGCError(
            "'{path}' holds {name} {type} {shape}; images are uint8 [N, H, W, C] or [N, C, H, W] with 1 or 3 channels.",
            path=path,
            name=name,
            type=array.dtype,
            shape=list(array.shape),
        )
    images = torch.from_numpy(array)
    images = images if by_channel else images.permute(0, 3, 1, 2)
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[:, :, top : top + side, left : left + side]


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    with archive.open(member) as packed, translate_io_errors(target), target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 2**20)
