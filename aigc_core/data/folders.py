"""Folders of image files: finding them, their usual size, and their pixels, in memory or decoded when needed."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy
import torch
from torch import Tensor
from tqdm import tqdm

from aigc_core.errors import AIGCError, Sentence, joined

from .dataset import PATIENCE_SECONDS
from .image_files import image_size, read_image, readable_suffixes
from .left_out import NAMED, and_others, warn_of_left_out
from .listing import files_in, kinds, warn_of_others
from .streaming import StreamedImages

DECODING_THREADS = min(8, os.cpu_count() or 1)
PREFETCHED_BYTES = 256 * 2**20
REMEDIES = {
    suffix: remedy
    for remedy, suffixes in {
        Sentence("`pip install pillow-heif` to read them"): (".heic", ".heics", ".heif", ".heifs", ".hif"),
        Sentence("`pip install --upgrade pillow` to read them"): (".avif", ".avifs"),
    }.items()
    for suffix in suffixes
}


def image_paths(folder: Path) -> list[Path]:
    """The image files in a folder and its subfolders, sorted; links are followed.

    A warning counts, by kind, the files that are left out. Raises AIGCError if there is no such folder, or no image in
    it.
    """
    paths, ignored = _listed(folder)
    said = Sentence("{others:,} files beside the {count:,} images in '{folder}' are left out: {kinds}.")
    warn_of_others(said, ignored, len(paths), folder, stacklevel=2, remedies=REMEDIES)
    return paths


def _listed(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The image files and, by kind, how many others there are."""
    if not os.path.isdir(folder):
        raise AIGCError("There is no folder '{folder}'.", folder=folder)
    paths, ignored = files_in(folder, readable_suffixes())
    if not paths:
        if ignored:
            raise AIGCError(
                "There is no image in '{folder}' that can be read here; it has {kinds}.",
                folder=folder,
                kinds=kinds(ignored, REMEDIES),
            )
        raise AIGCError(
            "There is no image in '{folder}' that can be read here; it should hold PNG, JPEG or WebP files.",
            folder=folder,
        )
    return paths, ignored


def common_side(folder: Path, paths: Sequence[Path] | None = None) -> int:
    """The shorter side in pixels that most images of a folder, or those at `paths`, have.

    Among equally frequent sides, it is the one nearest to the median. A warning counts and names images of another
    size. Files with unreadable headers are ignored; raises AIGCError if all are.
    """

    def size_of(path: Path) -> tuple[int, int] | AIGCError:
        try:
            return image_size(path)
        except AIGCError as error:
            return error

    if paths is None:
        paths, _ = _listed(folder)
    with ThreadPoolExecutor(DECODING_THREADS) as threads:
        found = list(threads.map(size_of, paths))
    sizes = {path: size for path, size in zip(paths, found) if isinstance(size, tuple)}
    if not sizes:
        raise AIGCError("No image in '{folder}' can be read: {error}", folder=folder, error=found[0])
    counts = Counter(min(size) for size in sizes.values())
    middle = median(counts.elements())
    common = max(counts, key=lambda side: (counts[side], -abs(side - middle), side))
    others = {path: size for path, size in sizes.items() if min(size) != common}
    if others:
        named = (f"'{path}' ({width} × {height})" for path, (width, height) in [*others.items()][:NAMED])
        warnings.warn(
            Sentence(
                "{common_count:,} of {count:,} images in '{folder}' have a shorter side of {common} pixels, the most "
                "common size; {others:,} have another and are scaled: {named}.",
                common_count=counts[common],
                count=len(sizes),
                folder=folder,
                common=common,
                others=len(others),
                named=and_others(joined(named), len(others) - NAMED),
            ),
            stacklevel=2,
        )
    return common


def decode_all(
    folder: Path, paths: list[Path], resolution: int, channels: int, keep: bool = True
) -> tuple[Tensor | None, list[Path]]:
    """Images uint8 [n, C, H, W] of the files that can be read, and these files; the others are named in a warning.

    Without `keep` the files are only checked, and there are no images.
    """
    images = numpy.empty((len(paths) if keep else 0, channels, resolution, resolution), numpy.uint8)

    def read(index: int) -> str:
        try:
            image = read_image(paths[index], resolution, channels)
        except AIGCError as error:
            return error.sentence
        if keep:
            images[index] = image
        return ""

    with ThreadPoolExecutor(DECODING_THREADS) as threads:
        reading = threads.map(read, range(len(paths)))
        shown = tqdm(reading, f"reading {folder}", len(paths), leave=False, delay=PATIENCE_SECONDS, unit=" images")
        errors = list(shown)
    readable = [index for index, error in enumerate(errors) if not error]
    broken = [error for error in errors if error]
    if not readable:
        raise AIGCError("No image in '{folder}' can be read: {error}", folder=folder, error=broken[0])
    said = Sentence("{broken:,} of {count:,} images were left out: {named}")
    warn_of_left_out(said, broken, len(paths), stacklevel=2)
    if broken and keep:
        for row, index in enumerate(readable):  # in place, as a copy would need the memory twice
            images[row] = images[index]
    kept = torch.from_numpy(images)[: len(readable)] if keep else None
    return kept, [paths[index] for index in readable]


class FolderImages(StreamedImages):
    """Images that stay in their files and are decoded by several threads when they are indexed, or ahead of it.

    A file that cannot be read is replaced by the next one, with a warning.
    """

    def __init__(self, paths: Sequence[Path], resolution: int, channels: int) -> None:
        self.paths = paths
        self.shape = torch.Size((len(paths), channels, resolution, resolution))
        self._threads = ThreadPoolExecutor(DECODING_THREADS)
        self._ahead: dict[int, Future[numpy.ndarray]] = {}

    def __getitem__(self, indices: Tensor) -> Tensor:
        decoding = [self._ahead.pop(index, None) or self._decode(index) for index in indices.tolist()]
        return torch.from_numpy(numpy.stack([image.result() for image in decoding]))

    def part(self, start: int, stop: int) -> FolderImages:
        return FolderImages(self.paths[start:stop], self.shape[2], self.shape[1])

    def prefetch(self, indices: Tensor) -> None:
        """Start decoding the images at `indices` int64 [n], which are needed next; at most PREFETCHED_BYTES."""
        for future in self._ahead.values():
            future.cancel()
        count = max(1, PREFETCHED_BYTES // self.shape[1:].numel())
        self._ahead = {index: self._decode(index) for index in indices[:count].tolist()}

    def _decode(self, index: int) -> Future[numpy.ndarray]:
        return self._threads.submit(self._read, index)

    def _read(self, index: int) -> numpy.ndarray:
        for other in range(len(self)):
            try:
                return read_image(self.paths[(index + other) % len(self)], self.shape[2], self.shape[1])
            except AIGCError as error:
                warnings.warn(Sentence("{error} The next image takes its place.", error=error.sentence), stacklevel=2)
        raise AIGCError("None of the images can be read.")
