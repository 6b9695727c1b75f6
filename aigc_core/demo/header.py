"""The head of the page: its name, and the choice of a model and of a step of its training."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.reference import CheckpointReference, step_number

from . import language
from .language import t, text
from .models import earlier_steps, offered_models
from .theme import BRAND


@dataclass
class Masthead:
    """`reference` holds the checkpoint that all tabs work with: the model, and the step unless it is the final one."""

    model: gr.Dropdown
    step: gr.Dropdown
    reference: gr.Textbox


def build() -> Masthead:
    """The components."""
    reference = gr.Textbox(visible=False)
    with gr.Row(elem_id="header"):
        gr.HTML(f"{BRAND}<h1>AIGC Studio</h1>", elem_id="brand", scale=6, min_width=220)
        model = gr.Dropdown(
            model_choices(),
            label=text("Model"),
            info=text("or type owner/name of one on the Hub"),
            allow_custom_value=True,
            scale=3,
            min_width=200,
            elem_id="model",
        )
        step = gr.Dropdown([], label=text("Training step"), scale=2, min_width=130, elem_id="step", interactive=True)
        language.switch()
        if "OAUTH_CLIENT_ID" in os.environ:
            gr.LoginButton(size="sm", scale=1, min_width=160)
    gr.Markdown(text("Opening the model …"), elem_id="opening")
    return Masthead(model, step, reference)


def model_choices() -> list[tuple[str, str]]:
    """What each offered model is called, and its reference: a run that has begun since is among them.

    A name comes before those that hold it: Enter takes the first one of the menu that holds what was typed.
    """
    choices: list[tuple[str, str]] = []
    for model in offered_models():
        name = model.removeprefix(f"{SHIPPED.name}/")
        before = (place for place, (other, _) in enumerate(choices) if name.lower() in other.lower())
        choices.insert(next(before, len(choices)), (name, model))
    return choices


def chosen(reference: str, token: str | None) -> list[Any]:
    """Updates of model, step and reference. Raises AIGCError if the Hub does not tell the steps."""
    named = CheckpointReference.parse(reference)
    model, step = str(replace(named, revision="")), named.revision
    steps = earlier_steps(model, token)
    choices = [(t("final"), "")] + [(f"{step_number(name):,}", name) for name in reversed(steps)]
    if step and step not in steps:
        choices.append((step, step))
    return [
        gr.Dropdown(choices=model_choices(), value=model),
        gr.Dropdown(choices=choices, value=step, visible=len(choices) > 1),
        reference,
    ]


def named(reference: str) -> list[Any]:
    """Updates of model and step back to those of the reference, where another one could not be opened."""
    opened = CheckpointReference.parse(reference)
    return [gr.Dropdown(value=str(replace(opened, revision=""))), gr.Dropdown(value=opened.revision)]


def reference_of(model: str | None, step: str | None) -> str:
    """The reference of a model, which may itself name a revision, at a step of its training."""
    named = CheckpointReference.parse((model or "").strip())
    return str(named if named.revision else replace(named, revision=step or ""))
