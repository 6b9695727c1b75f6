"""The picture that was chosen in Generate: its seed and class, and where one can go from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from aigc_core.checkpoint.reference import CheckpointReference, step_number
from aigc_core.families.base import Capability
from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.labels import split_entries
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import request_noise

from .inference import draw, visible_directions
from .language import t, text
from .models import earlier_steps
from .pictures import data_uri, sheet, sheet_html
from .visitor import errors_shown, token_of

DIRECTIONS = 6
STEP = 1.5
"""How far a variation lies from the picture, in standard deviations along one direction."""

Requests = list[str]


@dataclass
class ChosenPicture:
    """The components of what is offered. `single`: the canonical request of the chosen picture; `requests`: of the
    pictures of `derived`, a sheet; `outputs` are in the order of what `choose` returns."""

    panel: gr.Column
    single: gr.State
    derived: gr.HTML
    requests: gr.State
    outputs: list[Any]
    reuse: gr.Button
    to_explore: gr.Button


def build() -> ChosenPicture:
    """The components, hidden until a picture is chosen, and the events that stay among them."""
    single, requests = gr.State(""), gr.State([])
    with gr.Column(visible=False, elem_id="chosen-picture", elem_classes="stage") as panel:
        caption = gr.Markdown(elem_id="chosen-caption")
        with gr.Row(elem_classes="chips"):
            reuse = gr.Button(text("Use this seed"), size="sm", min_width=120)
            vary = gr.Button(text("Variations around it"), size="sm", min_width=120)
            to_explore = gr.Button(text("Explore around it"), size="sm", min_width=120)
            compare = gr.Button(text("Compare over training"), size="sm", min_width=120)
        derived = sheet("derived")
    private: Any = {"api_visibility": "private"}
    vary.click(variations, single, [derived, requests], **private)
    compare.click(over_training, single, [derived, requests], **private)
    outputs = [single, panel, caption, vary, to_explore, compare, derived, requests]
    return ChosenPicture(panel, single, derived, requests, outputs, reuse, to_explore)


def classes_of(checkpoint: Checkpoint, request: SampleRequest) -> list[str]:
    """What each sample of a request is to be: a class's name, or a mix of classes as the request writes it; empty for a
    model without classes."""
    config = checkpoint.config
    if not config.num_classes:
        return []
    entries, weights = split_entries(request.labels), request_noise(checkpoint, request)[1].classes
    return [
        config.class_name(int(row.argmax())) if row.max() == 1 else entries[k % len(entries)]
        for k, row in enumerate(weights)
    ]


def captions(checkpoint: Checkpoint, request: SampleRequest) -> list[str]:
    """The seed and the class of each sample of a request."""
    classes = classes_of(checkpoint, request)
    seeds = [f"{t('Seed')} {seed}" for seed in request.seeds()]
    return [" · ".join(parts) for parts in zip(seeds, classes)] if classes else seeds


def choose(visitor: gr.OAuthToken | None, request: SampleRequest, index: int) -> list[Any]:
    """What is offered for one of the pictures of a request."""
    token = token_of(visitor)
    single = request.singles()[index % request.count]
    with errors_shown():
        checkpoint = load_checkpoint(single.checkpoint, token)
        says = captions(checkpoint, single)[0]
        has_steps = bool(earlier_steps(_model(single), token))
    movable = Capability.LATENT in checkpoint.model.capabilities
    return [
        single.canonical(),
        gr.Column(visible=True),
        f"**{says}**",
        gr.Button(visible=movable),
        gr.Button(visible=movable),
        gr.Button(visible=has_steps),
        "",
        [],
    ]


def variations(visitor: gr.OAuthToken | None, canonical: str) -> tuple[str, Requests]:
    """A sheet of what lies a step each way along the strongest directions, and the requests of its pictures."""
    token = token_of(visitor)
    with errors_shown():
        single = SampleRequest.from_canonical(canonical)
        model = load_checkpoint(single.checkpoint, token).model
        own, edits = single.options_of(model), single.edits_of(model)
        moved = {
            f"{name} {step:+g}": edits.at(name, edits.offsets.get(name, 0.0) + step)
            for step in (-STEP, STEP)
            for name in visible_directions(single.checkpoint, DIRECTIONS, token)
        }
        requests = [single.with_options(own, each).canonical() for each in moved.values()]
        return _sheet(requests, list(moved), token), requests


def over_training(visitor: gr.OAuthToken | None, canonical: str) -> tuple[str, Requests]:
    """A sheet of the seed and class at each step of the model's training, and the requests of its pictures.

    Latent directions belong to a step's weights, so that what was moved along them is left out.
    """
    token = token_of(visitor)
    with errors_shown():
        single = SampleRequest.from_canonical(canonical)
        own = single.options_of(load_checkpoint(single.checkpoint, token).model)
        model = CheckpointReference.parse(_model(single))
        steps = {f"{step_number(name):,}": name for name in earlier_steps(str(model), token)} | {t("final"): ""}
        requests = [
            single.model_copy(update={"checkpoint": str(replace(model, revision=name))}).with_options(own).canonical()
            for name in steps.values()
        ]
        return _sheet(requests, list(steps), token, top=list(steps)), requests


def reused(canonical: str, count: float) -> str:
    """The canonical request of so many samples, of which the first is the chosen one."""
    return SampleRequest.from_canonical(canonical).model_copy(update={"count": int(count)}).canonical()


def derived_request(requests: Requests, event: gr.EventData) -> str:
    """The canonical request of the picture of `derived` that was clicked."""
    return requests[int(event.index) % len(requests)]


def _model(request: SampleRequest) -> str:
    """The checkpoint of a request, whatever the step of its training."""
    return str(replace(CheckpointReference.parse(request.checkpoint), revision=""))


def _sheet(requests: Requests, titles: list[str], token: str | None, top: list[str] | None = None) -> str:
    pictures = []
    for request in requests:
        checkpoint = load_checkpoint(SampleRequest.from_canonical(request).checkpoint, token)
        pictures.append(data_uri(draw([request], token)[0], request, checkpoint.weights_sha256))
    return sheet_html(list(zip(pictures, titles)), len(top) if top else DIRECTIONS, top=top or ())
