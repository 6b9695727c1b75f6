"""Pictures in rows and columns with what they have in common written beside them, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aigc_core.data.image_files import MAX_PIXELS
from aigc_core.errors import AIGCError

from .movie import enlarge

CELL_SIDE = 96
"""Small pictures are enlarged to about that many pixels a side, for their labels to have room."""
GAP, FONT_SIZE, MAX_LEFT = 4, 13, 160
PAPER, INK, FADED = 255, 30, 120


def labelled_grid(
    pictures: Tensor, top: Sequence[str], left: Sequence[str], across: str = "", down: str = ""
) -> Tensor:
    """Pictures uint8 [rows · columns, C, H, W], row by row, grey or in colour → one uint8 [C, H', W'].

    `top` and `left` label the columns and the rows; `across` and `down` say of what. What is too long for its place is
    cut off. Raises AIGCError if the picture would be too large to be opened again.
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
    font = ImageFont.load_default(FONT_SIZE)
    line = FONT_SIZE + 7
    beside = min(MAX_LEFT, max(math.ceil(font.getlength(words)) for words in (*left, down))) + 2 * GAP
    size = (beside + len(top) * (width + GAP), 2 * line + len(left) * (height + GAP))
    sheet = Image.new("L", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((beside, line / 2), _fitting(across, len(top) * width, font), FADED, font, "lm")
    draw.text((GAP, line * 1.5), _fitting(down, beside - GAP, font), FADED, font, "lm")
    for column, words in enumerate(top):
        middle = beside + column * (width + GAP) + width / 2
        draw.text((middle, line * 1.5), _fitting(words, width, font), INK, font, "mm")
    for row, words in enumerate(left):
        middle = 2 * line + row * (height + GAP) + height / 2
        draw.text((beside - GAP, middle), _fitting(words, beside - 2 * GAP, font), INK, font, "rm")
    grid = torch.from_numpy(numpy.array(sheet)).expand(channels, -1, -1).clone()
    for index, cell in enumerate(cells):
        row, column = divmod(index, len(top))
        y, x = 2 * line + row * (height + GAP), beside + column * (width + GAP)
        grid[:, y : y + height, x : x + width] = cell
    return grid


def _fitting(words: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """As much of words as fits into so many pixels."""
    if font.getlength(words) <= width:
        return words
    kept = next((end for end in range(len(words), 0, -1) if font.getlength(words[:end] + "…") <= width), 0)
    return words[:kept] + "…"
