"""The tab Invert: the sample of the model that is nearest to a picture, uploaded or drawn, or to a sound, uploaded or
recorded, as it is approached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch

from aigc_core.families.base import Capability
from aigc_core.files import translate_io_errors
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.provenance import Statement
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.request import SampleRequest

from ..errors import AIGCError, Sentence
from . import sketch
from .generate import class_choices
from .inference import LatentPoint, draw, invert_stream
from .language import t, text
from .pictures import as_data_uri, player_card, png_of, served_folder, sheet, sheet_html, tiles, write_samples
from .visitor import errors_shown, token_of

EVERY = 10
NUM_EXAMPLES, FIRST_EXAMPLE = 6, 100
"""How many of the model's own images are offered to look for, and the seed of the first."""
CERTAIN = 0.9
"""The weight from which on a class is named alone."""
LEAD = Sentence("Give a picture, and the search finds the nearest image that this model can draw.")
LEAD_OF_SOUNDS = Sentence("Give a sound, and the search finds the nearest one that this model can make.")


@dataclass
class InvertTab:
    """What the page refers to: the place that was found with its picture, where it can be sent, and what `fit`
    returns."""

    found: gr.State
    to_explore: gr.Button
    keep: gr.Button
    fitted: list[Any]


def fits(checkpoint: Checkpoint) -> bool:
    """Whether an upload can be looked for among what a model draws: images or sounds, from smooth latents."""
    return Capability.LATENT in checkpoint.model.capabilities and checkpoint.modality.media in ("image", "audio")


def invert_file(
    checkpoint: str, upload: str | None, label: str | None = None, visitor: gr.OAuthToken | None = None
) -> Iterator[tuple[str, Any, tuple[LatentPoint, str]]]:
    """The sample nearest to the one in the file `upload` so far, the losses, and its place, after each EVERY steps."""
    import pandas

    with errors_shown():
        if not upload:
            raise AIGCError("Upload, draw or record something first.")
        token = token_of(visitor)
        made = load_checkpoint(checkpoint, token)
        weights, curve, folder = made.weights_sha256, [], served_folder()
        with _named_alone(upload):
            for step, loss, sample, place in invert_stream(checkpoint, Path(upload), label or "", EVERY, token):
                curve.append({"step": step, "loss": loss})
                stored = torch.from_numpy(sample)[None]
                (path,) = made.modality.write_each(folder, [f"inverted-{step}"], stored, [Statement("", weights)])
                (picture,) = tiles(stored.numpy(), [""], weights, made.modality)
                yield str(path), pandas.DataFrame(curve), (place, picture)


@contextmanager
def _named_alone(upload: str) -> Iterator[None]:
    """Name an upload in errors without its folder: where it lies on the server is nobody's business."""
    try:
        yield
    except AIGCError as error:
        values = {
            name: value.replace(upload, Path(upload).name) if isinstance(value, str) and upload in value else value
            for name, value in error.sentence.values.items()
        }
        raise AIGCError(error.sentence.template, **values) from None


def invert(
    checkpoint: str, picture: dict[str, Any] | None, label: str | None = None, visitor: gr.OAuthToken | None = None
) -> Iterator[tuple[str, Any, tuple[LatentPoint, str]]]:
    """Find the image of a model that is nearest to a picture, or the sound nearest to one.

    Args:
        checkpoint: as in /generate.
        picture: an image file, whose centre square is looked for; for a model of sounds a sound file.
        label: a class to stay in, or empty for any.

    Returns:
        The nearest image or sound so far, and the loss after each ten steps.
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


def invert_recording(
    visitor: gr.OAuthToken | None, checkpoint: str, recording: dict[str, Any] | None, label: str | None
) -> Iterator[tuple[str, str, Any, tuple[LatentPoint, str]]]:
    """`invert_file` for a sound, but for its first value: the sound given, below the spectrogram of what the model
    hears of it, and the nearest one, both as HTML."""
    path, heard = recording["path"] if recording else None, ""
    for nearest, curve, found in invert_file(checkpoint, path, label, visitor):
        if path and not heard:
            kind = load_checkpoint(checkpoint, token_of(visitor)).modality
            (picture,) = kind.pictures(kind.read_stored(Path(path)))
            heard = player_card(as_data_uri(png_of(picture)), path)
        yield heard, player_card(found[1], nearest), curve, found


def build(reference: gr.Textbox) -> InvertTab:
    """The tab's components and the events that stay inside it."""
    found = gr.State(None)
    lead = gr.Markdown(text(LEAD), elem_classes="lead")
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=5, min_width=290, elem_classes="controls"):
            classes = gr.Dropdown(
                [], label=text("Class"), info=text("none: the search chooses"), allow_custom_value=True
            )
            with gr.Column(visible=False) as of_sounds:
                recording = gr.Audio(
                    show_label=False, sources=["upload", "microphone"], buttons=[], elem_id="recording"
                )
                search_recording = gr.Button(text("Find the nearest sound"), variant="primary", elem_id="search-sound")
            with gr.Column() as of_images:
                with gr.Tab(text("Upload")):
                    upload = gr.Image(
                        show_label=False,
                        sources=["upload", "clipboard", "webcam"],
                        height=sketch.SIDE,
                        elem_id="upload",
                    )
                    gr.Markdown(text("OR WHAT THE MODEL DREW ITSELF"), elem_classes="caption")
                    examples = sheet("invert-examples")
                    search_upload = gr.Button(text("Find the nearest image"), variant="primary", elem_id="search")
                with gr.Tab(text("Draw")):
                    drawing = sketch.build()
                    search_drawing = gr.Button(text("Find the nearest image"), variant="primary")
        with gr.Column(scale=6, min_width=290, elem_classes="stage", visible=False) as results:
            with gr.Row():
                with gr.Column(min_width=180):
                    caption = gr.Markdown(text("NEAREST IMAGE"), elem_classes="caption")
                    nearest = gr.Image(
                        show_label=False, interactive=False, height=sketch.SIDE, elem_id="nearest", buttons=["download"]
                    )
                    chosen = gr.Markdown(elem_id="chosen-class")
                    nearest_sound = gr.HTML(elem_id="nearest-sound", visible=False)
                    with gr.Column(visible=False) as comparison:
                        gr.Markdown(text("YOURS"), elem_classes="caption")
                        heard = gr.HTML(elem_id="heard")
                with gr.Column(min_width=180):
                    gr.Markdown(text("LOSS, STEP BY STEP"), elem_classes="caption")
                    loss = gr.LinePlot(
                        x="step",
                        y="loss",
                        show_label=False,
                        height=sketch.SIDE,
                        y_lim=[0, None],
                        buttons=[],
                        elem_id="loss",
                    )
            with gr.Row():
                to_explore = gr.Button(text("Explore around it"), size="sm", elem_id="invert-explore")
                keep = gr.Button(text("Keep it"), size="sm")
    outputs = [nearest, loss, found]
    searches = [search_upload.click, search_drawing.click, search_recording.click]
    private: Any = {"api_visibility": "private"}
    gr.on(searches, lambda: (gr.Column(visible=True), ""), None, [results, chosen], **private)
    examples.select(example_file, reference, upload, show_progress="hidden", **private)
    # Gradio does not open the file then: whether it can be read is for the core to say.
    uploaded = search_upload.click(invert, [reference, upload, classes], outputs, api_name="invert", preprocess=False)
    drawn = search_drawing.click(invert_drawing, [reference, drawing, classes], outputs, **private)
    recorded = search_recording.click(
        invert_recording,
        [reference, recording, classes],
        [heard, nearest_sound, loss, found],
        preprocess=False,
        **private,
    )
    for searched in (uploaded, drawn, recorded):
        searched.success(class_found, found, chosen, show_progress="hidden", **private)
    fitted = [classes, lead, of_images, of_sounds, caption, nearest, nearest_sound, comparison, examples, drawing]
    return InvertTab(found, to_explore, keep, fitted)


def fit(visitor: gr.OAuthToken | None, reference: str) -> list[Any]:
    """The classes of a model to stay in, and what its kind of sample is given and shown with."""
    with errors_shown():
        token = token_of(visitor)
        checkpoint = load_checkpoint(reference, token)
        choices, played = class_choices(checkpoint.config), checkpoint.modality.is_played
        shown = [gr.HTML(), gr.Sketchpad()] if played else _examples(checkpoint, reference, token)
    return [
        gr.Dropdown(choices=[("", ""), *choices], value="", visible=bool(choices)),
        t(LEAD_OF_SOUNDS if played else LEAD),
        gr.Column(visible=not played),
        gr.Column(visible=played),
        t("NEAREST SOUND" if played else "NEAREST IMAGE"),
        gr.Image(visible=not played),
        gr.HTML(visible=played),
        gr.Column(visible=played),
        *shown,
    ]


def _examples(checkpoint: Checkpoint, reference: str, token: str | None) -> list[Any]:
    """A sheet of the model's own images, and a pad like them."""
    request = SampleRequest(checkpoint=reference, seed=FIRST_EXAMPLE, count=NUM_EXAMPLES)
    images = draw([request.canonical()], token)
    pictures = tiles(images, request.canonical_singles(), checkpoint.weights_sha256, checkpoint.modality)
    titles = [f"{t('Seed')} {seed}" for seed in request.seeds()]
    return [sheet_html(list(zip(pictures, titles))), sketch.fitted(images)]


def example_file(visitor: gr.OAuthToken | None, reference: str, event: gr.EventData) -> str:
    """The file of the example that was clicked."""
    with errors_shown():
        token = token_of(visitor)
        request = SampleRequest(checkpoint=reference, seed=FIRST_EXAMPLE + int(event.index) % NUM_EXAMPLES)
        stored = torch.from_numpy(draw([request.canonical()], token))
        return str(write_samples(stored, request, load_checkpoint(reference, token), served_folder())[0])


def class_found(visitor: gr.OAuthToken | None, found: tuple[LatentPoint, str]) -> str:
    """The class of what was found, or the classes that it mixes, the heaviest first; empty without classes."""
    place, _ = found
    config, (weights,) = load_checkpoint(place.checkpoint, token_of(visitor)).config, place.labels
    if not config.num_classes:
        return ""
    heaviest = np.argsort(-weights)[: 1 if weights.max() >= CERTAIN else 3]
    return f"{t('Class')} · " + " · ".join(
        f"{config.class_name(int(label))} {weights[label]:.0%}" for label in heaviest
    )


def place_found(found: tuple[LatentPoint, str] | None) -> LatentPoint:
    """Where the nearest sample lies."""
    with errors_shown():
        if found is None:
            raise AIGCError("Find the nearest image or sound first.")
    return found[0]
