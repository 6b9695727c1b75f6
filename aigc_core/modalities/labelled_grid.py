"""Pictures in labelled rows and columns, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import numpy
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aigc_core.data.image_files import MAX_PIXELS
from aigc_core.errors import AIGCError

from .movie import enlarge

CELL_SIDE = 96
"""Small pictures are enlarged to about this many pixels a side, to make room for their labels."""
GAP, FONT_SIZE, MAX_LEFT = 4, 13, 160
PAPER, INK, FADED = 255, 30, 120
LARGER_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSerifCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc",
    "STHeiti Medium.ttc", "msyh.ttc", "simsun.ttc", "DejaVuSans.ttf",
)  # fmt: skip
"""Fonts of Linux, macOS and Windows with more letters than Pillow's own, of which a label takes the first that has its
letters."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def labelled_grid(
    pictures: Tensor, top: Sequence[str], left: Sequence[str], across: str = "", down: str = ""
) -> Tensor:
    """Pictures uint8 [rows · columns, C, H, W], row by row, grey or in colour → one uint8 [C, H', W'].

    `top` and `left` label the columns and the rows; `across` and `down` say of what. What is too long for its place is
    cut off, and a label in letters that no font here has gives way to its number. Raises AIGCError if the picture would
    be too large to be opened again.
    """
    channels, height, width = pictures.shape[1:]
    enlarged = max(1, round(CELL_SIDE / width)) ** 2
    if (pixels := len(pictures) * height * width * enlarged) > MAX_PIXELS:
        raise AIGCError(
            "The grid would have {megapixels} million pixels, and a picture may have {limit}; take fewer values.",
            megapixels=pixels // 1_000_000,
            limit=MAX_PIXELS // 1_000_000,
        )
    cells = enlarge(pictures, CELL_SIDE)
    height, width = cells.shape[2:]
    own = _fonts()[0]
    columns, rows = _written(top), _written(left)
    line = FONT_SIZE + 7
    beside = min(MAX_LEFT, max(math.ceil(font.getlength(words)) for words, font in (*rows, (down, own)))) + 2 * GAP
    size = (beside + len(top) * (width + GAP), 2 * line + len(left) * (height + GAP))
    sheet = Image.new("L", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((beside, line / 2), _fitting(across, len(top) * width, own), FADED, own, "lm")
    draw.text((GAP, line * 1.5), _fitting(down, beside - GAP, own), FADED, own, "lm")
    for column, (words, font) in enumerate(columns):
        middle = beside + column * (width + GAP) + width / 2
        draw.text((middle, line * 1.5), _fitting(words, width, font), INK, font, "mm")
    for row, (words, font) in enumerate(rows):
        middle = 2 * line + row * (height + GAP) + height / 2
        draw.text((beside - GAP, middle), _fitting(words, beside - 2 * GAP, font), INK, font, "rm")
    grid = torch.from_numpy(numpy.array(sheet)).expand(channels, -1, -1).clone()
    for index, cell in enumerate(cells):
        row, column = divmod(index, len(top))
        y, x = 2 * line + row * (height + GAP), beside + column * (width + GAP)
        grid[:, y : y + height, x : x + width] = cell
    return grid


def cells_of(picture: Tensor, pictures: Tensor, columns: int) -> Tensor:
    """The part of a labelled grid [C, H', W'] of so many columns of `pictures` that shows these, without the labels;
    all of it if it is too small."""
    height, width = enlarge(pictures[:1], CELL_SIDE).shape[2:]
    return picture[:, -(len(pictures) // columns) * (height + GAP) :, -columns * (width + GAP) :]


def _written(labels: Sequence[str]) -> list[tuple[str, Font]]:
    """Labels, each with a font that has its letters; without one, its number, counted from 1, with Pillow's own."""
    fonts = [(words, next((font for font in _fonts() if _has(font, words)), None)) for words in labels]
    return [(words, font) if font else (str(row), _fonts()[0]) for row, (words, font) in enumerate(fonts, 1)]


@cache
def _fonts() -> list[Font]:
    """Pillow's own font, and those of LARGER_FONTS that are installed."""
    fonts: list[Font] = [ImageFont.load_default(FONT_SIZE)]
    for name in LARGER_FONTS:
        with suppress(OSError):
            fonts.append(ImageFont.truetype(name, FONT_SIZE))
    return fonts


def _has(font: Font, words: str) -> bool:
    """Whether a font has all letters of `words`, rather than drawing its sign for a missing one."""

    def drawn(letter: str) -> bytes:
        picture = Image.new("L", (2 * FONT_SIZE, 2 * FONT_SIZE))
        ImageDraw.Draw(picture).text((0, 0), letter, PAPER, font)
        return picture.tobytes()

    missing = drawn("\U0010ffff")
    return all(drawn(letter) != missing for letter in set(words) if not letter.isspace())


def _fitting(words: str, width: float, font: Font) -> str:
    """The beginning of `words` that fits into `width` pixels."""
    if font.getlength(words) <= width:
        return words
    kept = next((end for end in range(len(words), 0, -1) if font.getlength(words[:end] + "…") <= width), 0)
    return words[:kept] + "…"
