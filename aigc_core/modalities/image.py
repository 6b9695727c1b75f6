"""Images: uint8 [N, C, R, R], saved as PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import AfterValidator
from torch import Tensor

from aigc_core.config import Config, parse_config
from aigc_core.data.dataset import Dataset
from aigc_core.data.datasets import load_dataset
from aigc_core.data.image_files import MAX_PIXELS
from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import translate_io_errors

from .attributes import picture_attributes
from .base import Media, Modality, modalities
from .movie import MOVIE_SUFFIXES, write_movie
from .npz import write_npz
from .png import png_files, read_png, save_png
from .provenance import Provenance, Statement

TOLERANCE = 3
"""How far, of 255, another device, another batch or weights rounded to half precision may move a value."""
RESOLUTIONS = (28, 32, 64, 128, 256, 512, 1024)


def eight_bit(maps: Tensor) -> Tensor:
    """Maps float [N, …] in [-1, 1] → the nearest of 256 levels, uint8 [N, …]."""
    return maps.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def _grey_or_colour(value: int) -> int:
    if value not in (1, 3):
        raise ValueError(Sentence("images have 1 channel (grey) or 3 (colour)"))
    return value


def _supported_resolution(value: int) -> int:
    if value not in RESOLUTIONS:
        sides = ", ".join(map(str, RESOLUTIONS))
        raise ValueError(Sentence("models draw images of {sides} pixels a side", sides=sides))
    return value


Channels = Annotated[int, AfterValidator(_grey_or_colour)]
Resolution = Annotated[int, AfterValidator(_supported_resolution)]


class ImageSettings(Config):
    """What a recipe may say of the shape; a named set's own, and a folder's 64 × 64 in colour, where it does not."""

    channels: Channels | None = None
    resolution: Resolution | None = None


class ImageModality(Modality):
    """Images of `channels` × `resolution` × `resolution` values."""

    name: ClassVar[str] = "image"
    plural: ClassVar[str] = Sentence("images")
    media: ClassVar[Media] = "image"
    has_pictures: ClassVar[bool] = True
    hub_task: ClassVar[str] = "unconditional-image-generation"
    suffixes: ClassVar[tuple[str, ...]] = (".png",)
    archives: ClassVar[tuple[str, ...]] = (".npz",)
    movies: ClassVar[tuple[str, ...]] = MOVIE_SUFFIXES
    preview_file: ClassVar[str] = "samples.png"
    channels: Channels
    resolution: Resolution

    @property
    def map_shape(self) -> tuple[int, int, int]:
        return self.channels, self.resolution, self.resolution

    @classmethod
    def load(cls, data: str, settings: Mapping[str, Any], limit: int | None = None) -> tuple[Self, Dataset]:
        wanted = parse_config(ImageSettings, dict(settings), Sentence("The shape of images"))
        dataset = load_dataset(data, resolution=wanted.resolution, channels=wanted.channels, limit=limit)
        channels, resolution = dataset.images.shape[1:3]
        shape = {"channels": channels, "resolution": resolution}
        return parse_config(cls, shape, Sentence("The images of '{data}'", data=data)), dataset

    def load_split(self, data: str, split: str, limit: int | None = None) -> Dataset:
        return load_dataset(data, split, resolution=self.resolution, channels=self.channels, limit=limit)

    def to_model(self, stored: Tensor) -> Tensor:
        return stored.to(torch.float, memory_format=torch.channels_last).div_(127.5).sub_(1)

    def to_stored(self, generated: Tensor) -> Tensor:
        return eight_bit(generated)

    def mirrored(self, samples: Tensor) -> Tensor:
        return samples.flip(3)

    def pictures(self, stored: Tensor) -> Tensor:
        return stored

    def read_preview(self, path: Path, count: int) -> Tensor:
        row = read_png(path)[0][: self.channels, : self.resolution]
        columns = min(row.shape[2] // self.resolution, count)
        pictures = row[..., : columns * self.resolution].unflatten(2, (columns, self.resolution))
        return pictures.permute(2, 0, 1, 3)

    def attributes(self, stored: Tensor) -> dict[str, Tensor]:
        return picture_attributes(stored)

    def has_collapsed(self, stored: Tensor) -> bool:
        return bool(stored.float().std(0).mean() < 1.0)

    def describe(self) -> str:
        side = self.resolution
        if self.channels == 1:
            return Sentence("images of {side} × {side} pixels, grey", side=side)
        return Sentence("images of {side} × {side} pixels, colour", side=side)

    def write(self, path: Path, stored: Tensor, statement: Statement, columns: int = 0) -> None:
        save_png(path, image_grid(stored, columns or math.ceil(math.sqrt(len(stored)))), statement)

    def write_each(
        self, folder: Path, names: Sequence[str], stored: Tensor, statements: Sequence[Statement]
    ) -> list[Path]:
        paths = [folder / f"{name}{self.file_suffix}" for name in names]
        with translate_io_errors(Path(self.plural)):
            for path, content in zip(paths, png_files(stored, statements), strict=True):
                with open(path, "wb", buffering=0) as file:  # a server writes many at once, each for one visitor
                    file.write(content)
        return paths

    def check_fits(self, count: int) -> None:
        """Raise AIGCError if a grid of `count` images would be too large a picture to be opened again."""
        pixels = count * self.resolution**2
        if pixels > MAX_PIXELS:
            raise AIGCError(
                "{count} images make a picture of {megapixels} million pixels, and one may have {limit}; make fewer, "
                "or name a folder instead of a file.",
                count=count,
                megapixels=pixels // 1_000_000,
                limit=MAX_PIXELS // 1_000_000,
            )

    def write_archive(self, path: Path, count: int, parts: Iterable[tuple[Tensor, Tensor]]) -> None:
        write_npz(path, (count, *self.map_shape), parts)

    def write_movie(self, path: Path, frames: Iterable[Tensor]) -> None:
        write_movie(path, frames)

    @classmethod
    def read_provenance(cls, path: Path) -> Provenance:
        return read_png(path)[1]

    def verify(self, path: Path, draw: Callable[[], Tensor], count: int) -> str:
        pixels, _ = read_png(path)
        columns = min(max(1, pixels.shape[2] // self.resolution), count)
        expected = (-(-count // columns) * self.resolution, columns * self.resolution)
        if expected != pixels.shape[1:]:
            raise _other_size(pixels, *expected)
        return check_pixels(pixels, image_grid(draw(), columns))


def check_pixels(found: Tensor, made: Tensor) -> str:
    """A sentence that confirms that the pixels uint8 [C, H, W] of a file are those that were made again.

    Raises AIGCError with how they differ, if they do.
    """
    if found.shape[1:] != made.shape[1:]:
        raise _other_size(found, made.shape[1], made.shape[2])
    if len(found) == 4:
        raise AIGCError("The pixels do not match: some are transparent; the image was changed after it was made.")
    differences = (made.int() - found.int()).abs()  # a grey image may have been saved in colour, or the other way
    if differences.max() > TOLERANCE:
        raise AIGCError(
            "The pixels do not match: {share:.1%} of the values differ, by up to {largest} of 255; the image was "
            "changed after it was made.",
            share=(differences > TOLERANCE).float().mean().item(),
            largest=int(differences.max()),
        )
    return "pixels: made again, and they match" + (
        f", to within {differences.max()} of 255" if differences.any() else ""
    )


def _other_size(found: Tensor, height: int, width: int) -> AIGCError:
    return AIGCError(
        "The pixels do not match: the request makes {expected_width:,} × {expected_height:,}, the file has "
        "{width:,} × {height:,}.",
        expected_width=width,
        expected_height=height,
        width=found.shape[2],
        height=found.shape[1],
    )


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Images uint8 [N, C, R, S], row by row → one image uint8 [C, rows · R, columns · S]; empty places are black.

    Fewer images than columns make a grid as wide as they are.
    """
    count, channels, height, width = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    places = images.new_zeros(rows * columns, channels, height, width)
    places[:count] = images
    grid = places.view(rows, columns, channels, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


def image_kind(modality: Modality) -> ImageModality:
    """The modality, as one of images. Raises AIGCError if it is another."""
    if not isinstance(modality, ImageModality):
        raise AIGCError(
            "This is for models of images, and this one's samples are of the kind '{modality}'.", modality=modality.name
        )
    return modality


modalities.register(ImageModality.name, ImageModality)
