"""Two checkpoints' images of the same seeds on top of each other: a slider between them, flicker, and what differs."""

from io import BytesIO

import numpy
import streamlit as st
from language import t
from page import as_text, select
from PIL import Image
from samples import sample_grid

from aigc_core import AIGCError
from aigc_core.serving.leaderboard import Entry

COLUMNS = 6
FLICKER_MILLISECONDS = 600


def wiped(first: Image.Image, second: Image.Image, share: float) -> Image.Image:
    """The first image up to `share`, 0 to 1, of the width, and the second from there on; both are of one size."""
    edge = round(share * first.width)
    picture = second.convert("RGB")
    picture.paste(first.convert("RGB").crop((0, 0, edge, first.height)), (0, 0))
    return picture


def difference(first: Image.Image, second: Image.Image) -> tuple[Image.Image, float]:
    """The largest difference of a pixel's channels as grey, the largest of all white, and the mean one of 255."""
    a, b = (numpy.asarray(picture.convert("RGB"), dtype=numpy.int32) for picture in (first, second))
    apart = numpy.abs(a - b).max(axis=2)
    shown = apart * 255 // max(1, int(apart.max()))
    return Image.fromarray(shown.astype(numpy.uint8)), float(apart.mean())


def flicker(first: Image.Image, second: Image.Image) -> bytes:
    """A GIF that shows both in turns."""
    file = BytesIO()
    frames = [picture.convert("RGB") for picture in (first, second)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=FLICKER_MILLISECONDS, loop=0)
    return file.getvalue()


def show_overlaid(pair: tuple[Entry, Entry], names: tuple[str, str], seeds: range) -> None:
    """A choice of ways to see what two checkpoints make of the same seeds, where both draw images of one size."""
    configs = [entry.config for entry in pair if entry.config]
    if len(configs) < 2 or any(config.sample_kind.media != "image" for config in configs):
        return
    try:
        first, second = (sample_grid(entry, seeds, COLUMNS) for entry in pair)
    except AIGCError:  # the grids above say why
        return
    if first.size != second.size:
        return
    ways = {"slider": t("Slider"), "flicker": t("Flicker"), "difference": t("Difference")}
    left, right = st.columns([1, 2])
    way = select(left, t("On top of each other"), list(ways), "overlaid", ways)
    called = {"a": as_text(names[0]), "b": as_text(names[1])}
    if way == "slider":
        share = left.slider(
            t("From the first to the second"), 0, 100, 50, key="wipe", bind="query-params", format="%d %%"
        )
        right.image(wiped(first, second, 1 - share / 100), caption=t("Left {a}, right {b}", **called), width="stretch")
    elif way == "flicker":
        right.image(flicker(first, second), caption=t("{a} and {b} in turns", **called), width="stretch")
    else:
        picture, mean = difference(first, second)
        caption = t("Where {a} and {b} differ, {mean} of 255 on average", mean=f"{mean:.1f}", **called)
        right.image(picture, caption=caption, width="stretch")
