"""A pad to draw on, with the paper and the ink that a model's images have."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

SIDE = 320
BLACK, WHITE = 0, 255
GREYS, COLOURS = ["#9a9a9a"], ["#9a9a9a", "#d9482f", "#f2c230", "#3b7dd8", "#4f9d55"]


def build() -> gr.Sketchpad:
    """The pad, with black paper."""
    return gr.Sketchpad(
        _blank(BLACK),  # type: ignore[arg-type]  # its stubs know no layers
        show_label=False, type="pil", canvas_size=(SIDE, SIDE), fixed_canvas=True, height=SIDE + 80, layers=False,
        transforms=(), elem_id="sketch", brush=_brush(BLACK, GREYS),
    )  # fmt: skip


def fitted(images: np.ndarray) -> gr.Sketchpad:
    """An update of the pad for a model of such images, uint8 [N, C, R, R]: empty, and grey where they are grey."""
    paper = paper_of(images)
    return gr.Sketchpad(
        _blank(paper),  # type: ignore[arg-type]  # as above
        brush=_brush(paper, GREYS if images.shape[1] == 1 else COLOURS),
    )


def paper_of(images: np.ndarray) -> int:
    """BLACK or WHITE, whichever is nearer to the edges of images uint8 [N, C, R, R]."""
    edges = [images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]]
    return WHITE if np.median(np.concatenate(edges)) > (BLACK + WHITE) / 2 else BLACK


def _blank(paper: int) -> dict[str, Any]:
    blank = Image.new("RGB", (SIDE, SIDE), (paper, paper, paper))
    return {"background": blank, "layers": [], "composite": blank}


def _brush(paper: int, others: list[str]) -> gr.Brush:
    ink = "#000000" if paper == WHITE else "#ffffff"
    return gr.Brush(default_size=22, default_color=ink, colors=[ink, *others])
