"""The tab Invert: the image of the model that is nearest to a picture, uploaded or drawn, as it is approached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image

from aigc_core.families.base import Capability
from aigc_core.files import translate_io_errors
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.png import png_bytes
from aigc_core.modalities.provenance import Statement
from aigc_core.pipeline import Checkpoint

from ..errors import AIGCError
from .generate import class_choices
from .inference import LatentPoint, invert_stream
from .language import text
from .pictures import data_uri, served_folder
from .visitor import errors_shown, token_of

CANVAS = 320
EVERY = 10


@dataclass
class InvertTab:
    """What the page refers to: the place that was found with its picture, and where it can be sent."""

    found: gr.State
    to_explore: gr.Button
    keep: gr.Button
    classes: gr.Dropdown


def fits(checkpoint: Checkpoint) -> bool:
    """Whether a picture can be looked for among what a model draws: it draws images, from smooth latents."""
    return Capability.LATENT in checkpoint.model.capabilities and checkpoint.modality.media == "image"


def invert_file(
    checkpoint: str, picture: str | None, label: str | None = None, visitor: gr.OAuthToken | None = None
) -> Iterator[tuple[str, Any, tuple[LatentPoint, str]]]:
    """The image nearest to the one in the file `picture` so far, the losses, and its place, after each EVERY steps."""
    import pandas

    with errors_shown():
        if not picture:
            raise AIGCError("Upload or draw a picture first.")
        token = token_of(visitor)
        weights = load_checkpoint(checkpoint, token).weights_sha256
        curve, folder = [], served_folder()
        try:
            for step, loss, image, place in invert_stream(checkpoint, Path(picture), label or "", EVERY, token):
                curve.append({"step": step, "loss": loss})
                path = folder / f"inverted-{step}.png"
                with translate_io_errors(Path(path.name)):
                    path.write_bytes(png_bytes(torch.from_numpy(image), Statement("", weights)))
                found = (place, data_uri(image, "", weights))
                yield str(path), pandas.DataFrame(curve), found
        except AIGCError as error:
            # Where the upload lies on the server is nobody's business.
            values = {
                name: value.replace(picture, Path(picture).name) if isinstance(value, str) else value
                for name, value in error.sentence.values.items()
            }
            raise AIGCError(error.sentence.template, **values) from None


def invert(
    checkpoint: str, picture: dict[str, Any] | None, label: str | None = None, visitor: gr.OAuthToken | None = None
) -> Iterator[tuple[str, Any, tuple[LatentPoint, str]]]:
    """Find the image of a model that is nearest to a picture.

    Args:
        checkpoint: as in /generate.
        picture: an image file; its centre square is looked for.
        label: a class to stay in, or empty for any.

    Returns:
        The nearest image so far, and the loss after each ten steps.
    """
    path = picture["path"] if picture else None
    yield from invert_file(str(checkpoint), path, str(label or ""), visitor)


def invert_drawing(
    visitor: gr.OAuthToken | None, checkpoint: str, drawing: dict[str, Any] | None, label: str | None
) -> Iterator[tuple[str, Any, tuple[LatentPoint, str]]]:
    """`invert_file` for what was drawn."""
    path = None
    if drawing and drawing["composite"] is not None:
        with errors_shown(), translate_io_errors(Path("drawing.png")):
            path = str(served_folder() / "drawing.png")
            drawing["composite"].convert("RGB").save(path)
    yield from invert_file(checkpoint, path, label, visitor)


def build(reference: gr.Textbox) -> InvertTab:
    """The tab's components and the events that stay inside it."""
    found = gr.State(None)
    gr.Markdown(
        text("Give a picture, and the search finds the nearest image that this model can draw."), elem_classes="lead"
    )
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=5, min_width=290, elem_classes="controls"):
            classes = gr.Dropdown(
                [], label=text("Class"), info=text("none: the search chooses"), allow_custom_value=True
            )
            with gr.Tab(text("Upload")):
                upload = gr.Image(
                    show_label=False, sources=["upload", "clipboard", "webcam"], height=CANVAS, elem_id="upload"
                )
                search_upload = gr.Button(text("Find the nearest image"), variant="primary", elem_id="search")
            with gr.Tab(text("Draw")):
                black = Image.new("RGB", (CANVAS, CANVAS))
                drawing = gr.Sketchpad(
                    {"background": black, "layers": [], "composite": black},  # type: ignore[arg-type]  # its stubs know no layers
                    show_label=False, type="pil", canvas_size=(CANVAS, CANVAS), fixed_canvas=True, height=CANVAS + 80,
                    layers=False, transforms=(), elem_id="sketch",
                    brush=gr.Brush(default_size=22, colors=["#ffffff", "#9a9a9a", "#d9482f", "#f2c230", "#3b7dd8"]),
                )  # fmt: skip
                search_drawing = gr.Button(text("Find the nearest image"), variant="primary")
        with gr.Column(scale=6, min_width=290, elem_classes="stage", visible=False) as results:
            with gr.Row():
                with gr.Column(min_width=180):
                    gr.Markdown(text("NEAREST IMAGE"), elem_classes="caption")
                    nearest = gr.Image(
                        show_label=False, interactive=False, height=CANVAS, elem_id="nearest", buttons=["download"]
                    )
                with gr.Column(min_width=180):
                    gr.Markdown(text("LOSS, STEP BY STEP"), elem_classes="caption")
                    loss = gr.LinePlot(
                        x="step", y="loss", show_label=False, height=CANVAS, y_lim=[0, None], buttons=[], elem_id="loss"
                    )
            with gr.Row():
                to_explore = gr.Button(text("Explore around it"), size="sm", elem_id="invert-explore")
                keep = gr.Button(text("Keep it"), size="sm")
    outputs = [nearest, loss, found]
    searches = [search_upload.click, search_drawing.click]
    gr.on(searches, lambda: gr.Column(visible=True), None, results, api_visibility="private")
    # Gradio does not open the file then: whether it can be read is for the core to say.
    search_upload.click(invert, [reference, upload, classes], outputs, api_name="invert", preprocess=False)
    search_drawing.click(invert_drawing, [reference, drawing, classes], outputs, api_visibility="private")
    return InvertTab(found, to_explore, keep, classes)


def fit(visitor: gr.OAuthToken | None, reference: str) -> list[Any]:
    """The classes of a model to stay in."""
    with errors_shown():
        choices = class_choices(load_checkpoint(reference, token_of(visitor)).config)
    return [gr.Dropdown(choices=[("", ""), *choices], value="", visible=bool(choices))]


def place_found(found: tuple[LatentPoint, str] | None) -> LatentPoint:
    """Where the nearest image lies."""
    with errors_shown():
        if found is None:
            raise AIGCError("Find the nearest image first.")
    return found[0]
