"""Avatars as DiceBear draws them (https://www.dicebear.com), in styles whose artwork is in the public domain (CC0 1.0).

A style and a seed are one picture with known attributes, so pictures are drawn when they are wanted, by one process a
core. Every process imports this file, and none of them torch.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
from safetensors import safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

from .image_files import read_image

STYLES = {"person": "open-peeps", "critter": "critters", "sprout": "sprouts", "robot": "voxel-bot"}
"""The classes and the styles that draw them: Open Peeps by Pablo Stanley, the others by DiceBear, all CC0 1.0."""
BACKGROUNDS = {"open-peeps": ["b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf"]}
"""Colours behind a style that has none of its own: those behind the robots."""
PACKAGES = {"dicebear": "dicebear-core", "dicebear_styles": "dicebear-styles", "resvg_py": "resvg-py"}
PART_SIZE = 500
UNFINISHED_FOLDER = ".unfinished"


@dataclass(frozen=True)
class Part:
    """Pictures of one style that are drawn in one go: those of the seeds from `start` to before `stop`."""

    split: str
    name: str
    start: int
    stop: int

    def path(self, folder: Path) -> Path:
        """Its file: `images` uint8 [stop - start, 3, side, side], and in the metadata the `attributes`, as JSON."""
        return folder / f"{self.split}-{self.name}-{self.start:06}.safetensors"


def parts_of(split: str, count: int) -> list[Part]:
    """What a split of `count` pictures of each style is drawn in, style by style."""
    return [
        Part(split, name, start, min(start + PART_SIZE, count))
        for name in STYLES
        for start in range(0, count, PART_SIZE)
    ]


@contextmanager
def drawn_avatars(folder: Path, side: int, counts: Mapping[str, int]) -> Iterator[Path]:
    """Draw pictures of `side` pixels, `counts` of each style by split; yields the folder of their parts.

    The parts are gone afterwards, and the attributes stay (`read_attributes`). Parts that an earlier call left when it
    was stopped are not drawn again. On disk the parts take 3 · side² bytes a picture.
    Raises AIGCError if a package is missing, or the disk is full or not writable.
    """
    if missing := [package for module, package in PACKAGES.items() if find_spec(module) is None]:
        raise AIGCError(
            "To draw avatars, `pip install {packages}`.",
            packages=" ".join(missing),
        )
    parts = folder / UNFINISHED_FOLDER
    wanted = [part for split, count in counts.items() for part in parts_of(split, count)]
    _draw_parts(parts, [part for part in wanted if not part.path(parts).is_file()], side)
    for split, count in counts.items():
        with atomic_write(_attributes_path(folder, split)) as unfinished, gzip.open(unfinished, "wt") as lines:
            for part in parts_of(split, count):
                with safe_open(part.path(parts), framework="numpy") as stored:
                    lines.writelines(json.dumps(one) + "\n" for one in json.loads(stored.metadata()["attributes"]))
    yield parts
    shutil.rmtree(parts)


def read_attributes(folder: Path, split: str) -> list[dict[str, str]]:
    """What is known of each picture of a split, in order: its seed, variants (`head`, `eyes` …) and colours
    (`skinColor` …, as #rrggbb); a part that a picture does not have is left out.

    Raises FileNotFoundError where no pictures were drawn.
    """
    with gzip.open(_attributes_path(folder, split), "rt") as lines:
        return [json.loads(line) for line in lines]


def draw_avatar(style: str, seed: str, side: int) -> tuple[numpy.ndarray, dict[str, str]]:
    """One picture uint8 [3, side, side] in a style of DiceBear's, and its attributes."""
    from dicebear import Avatar
    from resvg_py import svg_to_bytes

    options: dict[str, Any] = {"seed": seed}
    if style in BACKGROUNDS:
        options["backgroundColor"] = BACKGROUNDS[style]
    avatar = Avatar(_definition(style), options)
    png = svg_to_bytes(svg_string=avatar.to_string(), width=side, height=side, skip_system_fonts=True)
    return read_image(BytesIO(png), side, 3), {"seed": seed, **_attributes(avatar.to_json()["options"])}


@cache
def _definition(style: str) -> Any:
    from dicebear import Style

    return Style(json.loads(files("dicebear_styles").joinpath(f"{style}.json").read_text("utf-8")))


def _attributes(options: Mapping[str, Any]) -> dict[str, str]:
    """The parts and colours among the options that DiceBear chose; pictures do not move, so their animation is none."""
    variants = {
        name.removesuffix("Variant"): value
        for name, value in options.items()
        if name.endswith("Variant") and name != "animationVariant"
    }
    colours = {name: value[0] for name, value in options.items() if name.endswith("Color")}
    return variants | colours


def _draw_parts(folder: Path, parts: list[Part], side: int) -> None:
    if not parts:
        return
    from joblib import Parallel, cpu_count, delayed  # takes a moment to import

    # Unlike those of multiprocessing, joblib's processes do not run the main file anew, which may be a page of an app.
    # Those of a parent that was killed draw what was handed to them, and end when they have waited for as long as this.
    processes = min(cpu_count(), len(parts))
    drawing = Parallel(processes, "loky", return_as="generator_unordered", idle_worker_timeout=5)
    total = sum(part.stop - part.start for part in parts)
    with tqdm(total=total, desc="drawing avatars", unit=" images") as bar:
        for drawn in drawing(delayed(_draw_part)(folder, part, side) for part in parts):
            bar.update(drawn)


def _draw_part(folder: Path, part: Part, side: int) -> int:
    drawn = [draw_avatar(STYLES[part.name], f"{part.split} {number}", side) for number in range(part.start, part.stop)]
    with atomic_write(part.path(folder)) as unfinished:
        images, attributes = zip(*drawn)
        save_file({"images": numpy.stack(images)}, unfinished, {"attributes": json.dumps(attributes)})
    return len(drawn)


def _attributes_path(folder: Path, split: str) -> Path:
    return folder / f"attributes-{split}.jsonl.gz"
