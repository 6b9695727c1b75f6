"""The tab Mix: classes blended by weight or pair by pair, and styles of one image on the shapes of another."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.families.base import Capability, StyleModel
from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.edits import LatentEdits
from aigc_core.sampling.labels import ClassIndex, class_entries, class_in, mix_entry, split_mix
from aigc_core.sampling.request import REQUEST, SampleRequest

from ..config import parse_config
from ..errors import AIGCError
from .generate import class_choices
from .inference import draw
from .language import text
from .pictures import data_uri, sheet, sheet_html
from .visitor import errors_shown, token_of

MAX_BLENDED = 4
MAX_PAIRED = 10
PREVIEW = 12
STYLE_ROWS, STYLE_COLUMNS = 4, 6
SEED = 7
Wanted = tuple[str, int | None]
NOTHING_WANTED: Wanted = ("", None)

# The address tells what is mixed, beside what Generate shows.
NOTE_MIX = """(seed, layer, chosen, ...weights) => {
  const url = new URL(location.href);
  url.searchParams.set('blend', chosen.map((name, place) => `${name}:${weights[place]}`).join('+'));
  url.searchParams.set('blend_seed', seed);
  url.searchParams.set('blend_layer', layer);
  history.replaceState(null, '', url);
}"""


@dataclass
class MixTab:
    """What the page refers to: `where` as `where_of` reads it from an address, `outputs` as `fit` returns them,
    `blend_inputs` as `blend` takes them."""

    where: list[Any]
    outputs: list[Any]
    blend_inputs: list[Any]
    open_in_generate: gr.Button


def fits(checkpoint: Checkpoint) -> bool:
    """Whether a model has something to mix that can be looked at side by side: classes, or styles."""
    mixes = checkpoint.config.num_classes > 0 or Capability.STYLES in checkpoint.model.capabilities
    return mixes and checkpoint.modality.media == "image"


def where_of(query: Mapping[str, str]) -> list[Any]:
    """The seed in an address, and the blend and the layer in it."""
    seed, layer = (query.get(name, "") for name in ("blend_seed", "blend_layer"))
    return [
        int(seed) if re.fullmatch("[0-9]{1,10}", seed) else SEED,
        (query.get("blend", ""), int(layer) if re.fullmatch("[0-9]{1,3}", layer) else None),
    ]


def fit(visitor: gr.OAuthToken | None, reference: str, seed: float, wanted: Wanted) -> list[Any]:
    """The controls and pictures for a model: what it cannot mix is not shown.

    `wanted`: a blend and a layer to begin with, if the model has them; they are wanted once.
    """
    with errors_shown():
        checkpoint = load_checkpoint(reference, token_of(visitor))
    choices = class_choices(checkpoint.config)
    model = checkpoint.model
    layers = model.num_layers if isinstance(model, StyleModel) else 2
    styles = isinstance(model, StyleModel)
    text_of_blend, layer = wanted
    layer = layer if layer is not None and layer < layers else layers // 2
    chosen, weights = parts_of_blend(text_of_blend, checkpoint.config)
    return [
        NOTHING_WANTED,
        gr.Column(visible=bool(choices)),
        gr.Dropdown(choices=choices, value=chosen),
        *weight_sliders(chosen, weights),
        blend(visitor, reference, seed, chosen, *weights) if choices else "",
        pairs(visitor, reference, seed) if choices else "",
        gr.Column(visible=styles),
        gr.Slider(maximum=layers - 1, value=layer),
        style_matrix(visitor, reference, seed, layer) if styles else "",
    ]


def parts_of_blend(text: str, config: CheckpointConfig) -> tuple[list[str], list[float]]:
    """The entries of a blend's classes and their weights 0 to 1; the first two classes if it is none of these."""
    classes = ClassIndex(config.class_names, config.num_classes)
    entries = class_entries(config.class_names, config.num_classes)
    parts = {classes.find(entry): weight for entry, weight in split_mix(text)}
    if len(parts) <= MAX_BLENDED and all(re.fullmatch(r"0(\.[0-9]+)?|1", weight) for weight in parts.values()):
        chosen = [entries[label] for label in parts if label is not None]
        if len(chosen) == len(parts):
            return chosen, [float(weight) for weight in parts.values()]
    return entries[:2], [1.0] * len(entries[:2])


def weight_sliders(chosen: Sequence[str], weights: Sequence[float] = (1,) * MAX_BLENDED) -> list[Any]:
    """A slider for the weight of each chosen class."""
    shown = [gr.Slider(label=class_in(entry), value=weight, visible=True) for entry, weight in zip(chosen, weights)]
    return shown + [gr.Slider(visible=False)] * (MAX_BLENDED - len(shown))


def blend_label(chosen: Sequence[str], weights: Sequence[float]) -> str:
    """The label of a request that blends classes. Raises AIGCError if nothing is left to blend."""
    parts = [(entry, weight) for entry, weight in zip(chosen, weights) if weight > 0]
    if not parts:
        raise AIGCError("Choose at least one class, and give it a weight above 0.")
    return mix_entry(parts)


def blend(visitor: gr.OAuthToken | None, reference: str, seed: float, chosen: list[str], *weights: float) -> str:
    """A sheet of the blend of the chosen classes, in several seeds."""
    with errors_shown():
        requests = SampleRequest.from_canonical(request_of_blend(reference, seed, chosen, *weights)).singles()
        return sheet_html(
            [(picture, f"seed {r.seed}") for picture, r in zip(_pictures(requests, visitor), requests)], 6
        )


def request_of_blend(reference: str, seed: float, chosen: list[str], *weights: float) -> str:
    """The canonical request of the blend, for Generate."""
    with errors_shown():
        values = {"checkpoint": reference, "seed": seed, "count": PREVIEW, "labels": blend_label(chosen, weights)}
        return parse_config(SampleRequest, values, REQUEST).canonical()


def pairs(visitor: gr.OAuthToken | None, reference: str, seed: float) -> str:
    """A sheet of one seed in every pair of classes, half and half; the diagonal holds the pure ones."""
    with errors_shown():
        config = load_checkpoint(reference, token_of(visitor)).config
        classes = class_choices(config)[:MAX_PAIRED]
        values = {"checkpoint": reference, "seed": seed}
        labels = [mix_entry([(a, 1), (b, 1)]) for _, a in classes for _, b in classes]
        requests = [parse_config(SampleRequest, values | {"labels": label}, REQUEST) for label in labels]
        names = [name for name, _ in classes]
        titles = [f"{a} + {b}" for a in names for b in names]
        return sheet_html(list(zip(_pictures(requests, visitor), titles)), len(names), top=names, left=names)


def style_matrix(visitor: gr.OAuthToken | None, reference: str, seed: float, layer: float) -> str:
    """A sheet of the rows' images that take the styles of the columns' images from a layer on."""
    with errors_shown():
        first = parse_config(SampleRequest, {"checkpoint": reference, "seed": seed}, REQUEST)
        rows = [first.model_copy(update={"seed": n}) for n in first.model_copy(update={"count": STYLE_ROWS}).seeds()]
        columns = [first.model_copy(update={"seed": (first.seed + 1000 + n) % 2**32}) for n in range(STYLE_COLUMNS)]
        mixed = [
            row.with_options(LatentEdits(mix_seed=column.seed, mix_layer=int(layer)))
            for row in rows
            for column in columns
        ]
        pictures = _pictures([*rows, *columns, *mixed], visitor)
    left, top = pictures[:STYLE_ROWS], pictures[STYLE_ROWS : STYLE_ROWS + STYLE_COLUMNS]
    titles = [f"{row.seed} × {column.seed}" for row in rows for column in columns]
    return sheet_html(list(zip(pictures[STYLE_ROWS + STYLE_COLUMNS :], titles)), STYLE_COLUMNS, top=top, left=left)


def _pictures(requests: list[SampleRequest], visitor: gr.OAuthToken | None) -> list[str]:
    token = token_of(visitor)
    names = [request.canonical() for request in requests]
    weights = load_checkpoint(requests[0].checkpoint, token).weights_sha256
    return [data_uri(image, name, weights) for image, name in zip(draw(names, token), names)]


def build(reference: gr.Textbox) -> MixTab:
    """The tab's components and the events that stay inside it."""
    with gr.Row(elem_classes="wide"):
        seed = gr.Number(SEED, label=text("Seed"), min_width=120, scale=0)
        dice = gr.Button(text("🎲 New seed"), min_width=140, scale=0, elem_classes="dice")
    with gr.Column(visible=True) as class_part:
        gr.Markdown(text("### Classes"), elem_classes="section")
        with gr.Row(elem_classes="wide"):
            with gr.Column(scale=5, min_width=290, elem_classes="controls"):
                gr.Markdown(text("Weigh two to four classes against each other."), elem_classes="lead")
                chosen = gr.Dropdown(
                    [], multiselect=True, max_choices=MAX_BLENDED, label=text("Classes in the blend"), elem_id="blended"
                )
                weights = [gr.Slider(0, 1, 1, step=0.01, visible=False) for _ in range(MAX_BLENDED)]
                blended = sheet("blend")
                use = gr.Button(text("Open in Generate"), size="sm", elem_id="blend-to-generate")
            with gr.Column(scale=6, min_width=300, elem_classes="stage"):
                gr.Markdown(text("One seed in every pair of classes, half and half."), elem_classes="lead")
                matrix = sheet("pairs")
    with gr.Column(visible=False) as style_part:
        gr.Markdown(text("### Styles"), elem_classes="section")
        gr.Markdown(
            text("Rows give the coarse layers, columns the layers from the chosen one on."), elem_classes="lead"
        )
        layer = gr.Slider(0, 1, 0, step=1, label=text("from layer"))
        styled = sheet("styles")
    unlisted: Any = {"api_visibility": "private"}
    live: Any = {"show_progress": "hidden", "trigger_mode": "always_last", **unlisted}
    blend_of = [reference, seed, chosen, *weights]
    for weight in weights:
        weight.input(blend, blend_of, blended, **live)
    chosen.input(weight_sliders, chosen, weights, **unlisted).then(blend, blend_of, blended, **live)
    layer.input(style_matrix, [reference, seed, layer], styled, **live)
    sheets = [blended, matrix, styled]
    rolled = dice.click(lambda: random.randrange(1_000_000), None, seed, **unlisted)
    reseeded = [trigger(reseed, [*blend_of, layer], sheets, **unlisted) for trigger in (rolled.then, seed.submit)]
    for event in (*(event.then for event in reseeded), *(control.input for control in (chosen, layer, *weights))):
        event(None, [seed, layer, chosen, *weights], None, js=NOTE_MIX, **unlisted)
    wanted = gr.State(NOTHING_WANTED)
    outputs = [wanted, class_part, chosen, *weights, blended, matrix, style_part, layer, styled]
    return MixTab([seed, wanted], outputs, blend_of, use)


def reseed(visitor: gr.OAuthToken | None, reference: str, seed: float, chosen: list[str], *rest: float) -> list[str]:
    """All sheets of another seed."""
    with errors_shown():
        checkpoint = load_checkpoint(reference, token_of(visitor))
    *weights, layer = rest
    classes = checkpoint.config.num_classes
    return [
        blend(visitor, reference, seed, chosen, *weights) if classes and chosen else "",
        pairs(visitor, reference, seed) if classes else "",
        style_matrix(visitor, reference, seed, layer) if isinstance(checkpoint.model, StyleModel) else "",
    ]
