"""The tab Generate: seeds, and what the model declares of classes, a prompt, options and latent directions, with the
samples following while a slider moves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import gradio as gr
import torch
from gradio.events import api
from pydantic import Field
from torch import Tensor

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Capability, StyleModel
from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.edits import LatentEdits
from aigc_core.sampling.labels import class_entries, join_entries, parse_labels, split_entries
from aigc_core.sampling.request import REQUEST, SampleRequest, is_known
from aigc_core.sampling.sample import warning_of

from . import chosen
from . import options as sampler_options
from .inference import draw, said_of_directions, strongest_directions, visible_directions
from .language import t, text
from .models import FIRST_CHOICE
from .options import parse_options
from .pictures import (
    data_uri,
    listing,
    listing_html,
    served_folder,
    sheet,
    sheet_html,
    thumbnail,
    write_archive,
    write_samples,
)
from .visitor import errors_shown, token_of

MAX_COUNT = 64
NUM_DIRECTIONS = 4
REACH = 4
STRIP = (-4, -2, 0, 2, 4)
"""Where along a direction the pictures beside its slider lie."""
MAX_REMEMBERED = 16
SEED, COUNT = 7, 16
COUNTED = {"image": text("Images"), "text": text("Texts"), "audio": text("Sounds"), "file": text("Samples")}
"""What the number of samples is called."""
EXAMPLES: dict[str, str] = {
    Sentence("A row of robots"): "checkpoint=checkpoints/avatars&seed=40&count=16&labels=robot",
    Sentence("Sixteen sneakers"): "checkpoint=checkpoints/fashion-mnist&seed=40&count=16&labels=Sneaker",
    Sentence("From T-shirt to dress"): "checkpoint=checkpoints/fashion-mnist&grid_y=seed=3-6&grid_x=class="
    "T-shirt/top,T-shirt/top:0.8%2BDress:0.2,T-shirt/top:0.6%2BDress:0.4,T-shirt/top:0.4%2BDress:0.6,"
    "T-shirt/top:0.2%2BDress:0.8,Dress",
    Sentence("Ten digits a row"): "checkpoint=checkpoints/mnist&grid_x=class=0,1,2,3,4,5,6,7,8,9&grid_y=seed=100-103",
    Sentence("Horses, ships, trucks"): "checkpoint=checkpoints/cifar10&seed=20&count=24&labels=horse,ship,truck",
    Sentence("A page of smileys"): "checkpoint=checkpoints/emoji&seed=40&count=16",
    Sentence("A drum kit"): "checkpoint=checkpoints/drums&seed=20&count=16&labels=kick,snare,hat,cymbal",
    Sentence("The classroom GAN"): "checkpoint=checkpoints/mnist-mlp&seed=1&count=16",
}
# The address bar follows, so that the page can be reloaded or shared as it is.
FOLLOW = """request => {
  window.studioShown = true;
  const url = new URL(request, location.href);
  const here = new URLSearchParams(location.search);
  const open = document.querySelector('button[role=tab][aria-selected=true]');
  if (here.has('tab') && open) url.searchParams.set('tab', open.dataset.tabId);
  const own = ['__theme', '__lang'];
  const ofTabs = ['centre', 'x', 'y', 'reach', 'blend', 'blend_seed', 'blend_layer', 'grid_x', 'grid_y', 'lesson'];
  for (const kept of [...ofTabs, ...own]) if (here.has(kept)) url.searchParams.set(kept, here.get(kept));
  history.replaceState(null, '', url);
  for (const name of own) url.searchParams.delete(name);  // the sender's, and no part of what was made
  return url.href;
}"""
# A query of this page as a link that opens from anywhere.
CAPTION = "shown => document.body.classList.toggle('captioned', shown)"
DOWNLOAD = """file => {
  const link = document.createElement('a');
  [link.href, link.download] = [file.url, file.orig_name];
  link.click();
}"""


Remembered = list[list[str]]
"""Requests and the first picture of each, the latest first; kept in the visitor's browser."""


class ShownRequest(SampleRequest):
    """A request of no more samples than a page shows."""

    count: int = Field(default=1, ge=1, le=MAX_COUNT)


@dataclass
class GenerateTab:
    """The components that other tabs and the page refer to.

    `controls` are in the order of `show`'s parameters after the checkpoint. `fitted` begins with them and is in the
    order of what `controls_for` returns, `outputs` in that of what `show` returns. `strips`: the pictures beside the
    sliders of the directions.
    """

    controls: list[Any]
    fitted: list[Any]
    outputs: list[Any]
    strips: list[gr.HTML]
    choice: chosen.ChosenPicture
    to_explore: gr.Button
    examples: dict[str, gr.Button]
    past: gr.BrowserState
    history: gr.HTML

    @property
    def link(self) -> gr.Textbox:
        """The request of the samples on show, as an address."""
        return self.outputs[2]

    def shown_by(self, trigger: Callable[..., Any], reference: gr.Textbox, **options: Any) -> Any:
        """Let a trigger draw the samples, once more if it comes while they are drawn."""
        waiting: Any = {"trigger_mode": "always_last", "api_visibility": "private"}
        progress: Any = {"show_progress_on": self.outputs[:2]}  # pictures, or samples of another kind
        return trigger(show, [reference, *self.controls], self.outputs, **waiting, **progress, **options)

    def followed(self, generated: Any) -> Any:
        """Let the address bar follow an event that generates."""
        return generated.then(None, self.link, self.link, js=FOLLOW, api_visibility="private")

    def remembered(self, generated: Any) -> Any:
        """Let the history remember what an event generated, and draw where the directions lead from there."""
        hidden: Any = {"show_progress": "hidden", "api_visibility": "private"}
        kept = self.followed(generated).success(
            remember, [*self.outputs[2:4], self.past], [self.past, self.history], **hidden
        )
        kept.success(draw_strips, self.link, self.strips, **hidden)
        return kept


def request_of(
    checkpoint: str,
    seed: Any,
    count: Any,
    labels: str = "",
    prompt: str = "",
    options: Mapping[str, object] | None = None,
    strengths: Sequence[float] = (),
    mix_seed: Any = None,
    mix_layer: Any = 0,
    offsets: str = "",
    token: str | None = None,
) -> SampleRequest:
    """The request that the controls' values make. Raises AIGCError for values out of range."""
    fields = {"checkpoint": checkpoint, "seed": seed, "count": count, "labels": labels, "prompt": prompt}
    request = parse_config(ShownRequest, fields | {"options": options or {}}, REQUEST)
    moved: dict[str, Any] = {**parse_options(offsets)}
    if any(strengths):
        moved |= zip(strongest_directions(request.checkpoint, NUM_DIRECTIONS, token), strengths)
    mixed = {"mix_seed": mix_seed, "mix_layer": mix_layer} if mix_seed is not None else {}
    return request.with_options(request.options, parse_config(LatentEdits, mixed | {"offsets": moved}, REQUEST))


def generate(
    checkpoint: str = FIRST_CHOICE, seed: int = 0, count: int = 16, labels: str = "", truncation: float = 1.0,
    direction_1: float = 0, direction_2: float = 0, direction_3: float = 0, direction_4: float = 0,
    mix_seed: int | None = None, mix_layer: int = 0, offsets: str = "", prompt: str = "", options: str = "",
    visitor: gr.OAuthToken | None = None,
) -> tuple[list[gr.FileData], gr.FileData | None, str]:  # fmt: skip
    """Generate images, or the texts or sounds of a model of such.

    Args:
        checkpoint: a shipped model such as checkpoints/fashion-mnist, a local folder, or owner/name on the Hub; any of
            them with @step-… for an earlier step of its training.
        seed: whole number from 0 to 4294967295; sample k has seed + k, and the same seed is the same sample.
        count: how many samples, 1 to 64.
        labels: classes by number or name, repeated over the images ("3", "Bag,Coat"); a mix is "Bag:0.7+Coat:0.3"; a
            backslash makes a comma, plus or colon part of a name ("3\\+").
        truncation: 0 to 1, of GANs; smaller is closer to the average image.
        direction_1: standard deviations along the model's strongest latent direction, such as -4 to 4.
        direction_2: along the second strongest.
        direction_3: along the third.
        direction_4: along the fourth.
        mix_seed: seed of a second image whose styles the later layers take, for models with styles; null for none.
        mix_layer: the first layer that takes them.
        offsets: other latent directions or coordinates by name, in standard deviations: "pca7=1.5,z12=-2".
        prompt: what each sample begins with, for models that take one.
        options: other options of the model's family by name: "temperature=0.7,top_k=40".

    Returns:
        Files (PNG of images) that carry the request that makes them again, null (here was a zip, which /archive
            makes), and the request as a query string.
    """
    with errors_shown():
        token = token_of(visitor)
        strengths = (direction_1, direction_2, direction_3, direction_4)
        own = parse_options(options) | ({} if truncation == 1 else {"truncation": truncation})
        request = request_of(
            checkpoint, seed, count, labels, prompt, own, strengths, mix_seed, mix_layer, offsets, token
        )
        drawn = _draw(request, token)
        paths = write_samples(drawn.stored, drawn.request, drawn.checkpoint, served_folder())
    return [gr.FileData(path=str(path)) for path in paths], None, "?" + drawn.request.canonical()


def archive(link: str = f"?checkpoint={FIRST_CHOICE}&count=16", visitor: gr.OAuthToken | None = None) -> gr.FileData:
    """Generate samples as a zip.

    Args:
        link: the request as a query string, as /generate returns it.

    Returns:
        A zip of the files that /generate returns for the request.
    """
    return gr.FileData(path=zip_of_link(visitor, link))


def zip_of_link(visitor: gr.OAuthToken | None, link: str) -> str:
    """The path of a zip of the samples of a link."""
    with errors_shown():
        drawn = _draw(request_of_link(str(link)), token_of(visitor))
        return write_archive(drawn.stored, drawn.request, drawn.checkpoint)


@dataclass(frozen=True)
class _Drawn:
    """Stored samples [N, …], the request that makes them, without the model's defaults, and the model."""

    stored: Tensor
    request: SampleRequest
    checkpoint: Checkpoint


def _draw(request: SampleRequest, token: str | None) -> _Drawn:
    """What a request makes. Raises AIGCError for what the model does not have."""
    checkpoint = load_checkpoint(request.checkpoint, token)  # before a process is forked for the GPU
    request = request.normalised(checkpoint.model)
    return _Drawn(torch.from_numpy(draw([request.canonical()], token)), request, checkpoint)


def show(
    visitor: gr.OAuthToken | None, reference: str, seed: Any, count: Any, classes: list[str], prompt: str, *rest: Any,
) -> tuple[list[tuple[str, str]] | None, str, str, str, gr.Column]:  # fmt: skip
    """The samples of the page's components: images as files with captions, or others as HTML; their link, what stands
    for them, and nothing chosen among them."""
    *values, mix_seed, mix_layer, offsets = rest
    own, strengths = values[:-NUM_DIRECTIONS], values[-NUM_DIRECTIONS:]
    with errors_shown():
        token = token_of(visitor)
        options = sampler_options.chosen(load_checkpoint(reference, token).model.options_type, own)
        request = request_of(
            reference,
            seed,
            count,
            join_entries(classes),
            prompt,
            options,
            strengths,
            mix_seed,
            mix_layer,
            offsets,
            token,
        )
        drawn = _draw(request, token)
        if said := warning_of(drawn.checkpoint, drawn.request, drawn.stored):
            gr.Warning(t(said))
        nothing_chosen = gr.Column(visible=False)
        kind, link = drawn.checkpoint.modality, "?" + drawn.request.canonical()
        files = write_samples(drawn.stored, drawn.request, drawn.checkpoint, served_folder())
        small = thumbnail(drawn.stored, files, kind)
        if kind.media == "image":
            titles = chosen.captions(drawn.checkpoint, drawn.request)
            return list(zip(map(str, files), titles)), "", link, small, nothing_chosen
        classes = chosen.classes_of(drawn.checkpoint, drawn.request) if kind.is_played else []
        listed = listing_html(drawn.stored, drawn.request.seeds(), files, kind, classes)
        return None, listed, link, small, nothing_chosen


def request_of_link(link: str) -> SampleRequest:
    """The request in an address, which may hold more than that. Raises AIGCError for values out of range."""
    try:
        pairs = parse_qsl(urlsplit(link).query, keep_blank_values=True)
    except ValueError:
        raise AIGCError("'{link}' is no address.", link=link[:200]) from None
    return ShownRequest.from_canonical(urlencode([(key, value) for key, value in pairs if is_known(key)]))


def class_choices(config: CheckpointConfig) -> list[tuple[str, str]]:
    """What a visitor picks classes from: names, and what a request calls them."""
    entries = class_entries(config.class_names, config.num_classes)
    return [(config.class_name(label), entry) for label, entry in enumerate(entries)]


def known_classes(visitor: gr.OAuthToken | None, reference: str, entries: list[str]) -> list[str]:
    """The entries that are classes of the model or mixes of them; the visitor is told why the others are not."""
    with errors_shown():
        config = load_checkpoint(reference, token_of(visitor)).config
    known = []
    for entry in entries:
        try:
            parse_labels(entry, config.class_names, config.num_classes)
            known.append(entry)
        except AIGCError as error:
            gr.Warning(t(error.sentence))
    return known


def direction_label(
    rank: int, name: str, said: Sentence | None = None, translated: Callable[[str], object] = text
) -> str:
    """What a visitor reads of a direction: what it is said to do or, without that, its rank, counted from 1 for the
    strongest; its name in requests is last."""
    words = translated(said) if said else f"{translated(Sentence('Direction'))} {rank}"
    return f"{words} · {name}"


def controls_for(request: SampleRequest, token: str | None = None) -> list[Any]:
    """Updates that make the controls fit a request and what its model can do.

    Raises AIGCError if the model cannot be loaded.
    """
    checkpoint = load_checkpoint(request.checkpoint, token)
    choices = class_choices(checkpoint.config)
    model, kind = checkpoint.model, checkpoint.modality
    layers = model.num_layers if isinstance(model, StyleModel) else 0
    edits = request.edits_of(model)
    names = visible_directions(request.checkpoint, NUM_DIRECTIONS, token)
    said = said_of_directions(request.checkpoint, names, token)
    sliders = [
        gr.Slider(label=direction_label(rank, name, said[name]), value=edits.offsets.get(name, 0.0), visible=True)
        for rank, name in enumerate(names, 1)
    ]
    sliders += [gr.Slider(visible=False, value=0)] * (NUM_DIRECTIONS - len(sliders))
    others = ",".join(f"{name}={value:.12g}" for name, value in edits.offsets.items() if name not in names)
    pictures = kind.media == "image"
    blend = "+".join(f"{entry}:{share}" for (_, entry), share in zip(choices, (0.7, 0.3)))
    return [
        request.seed,
        gr.Slider(value=request.count, label=COUNTED[kind.media]),
        gr.Dropdown(
            choices=choices,
            value=split_entries(request.labels) if request.labels else [],
            visible=bool(choices),
            info=t("none: any · several: in turn · a blend: {blend}", blend=blend),
        ),
        gr.Textbox(value=request.prompt, visible=Capability.PROMPT in model.capabilities),
        *sampler_options.updates(request.options_of(model)),
        *sliders,
        gr.Number(value=edits.mix_seed, visible=layers > 0),
        gr.Slider(value=edits.mix_layer, maximum=max(layers, 2) - 1, visible=layers > 0),
        gr.Textbox(value=others, visible=bool(others)),
        *(gr.HTML(value="", visible=rank < len(names)) for rank in range(NUM_DIRECTIONS)),
        gr.Markdown(visible=bool(names)),
        gr.Gallery(visible=pictures),
        gr.Checkbox(visible=pictures),
        gr.HTML(visible=not pictures),
        gr.Textbox(label=text("Link to exactly these images" if pictures else "Link to exactly these samples")),
    ]


def build(reference: gr.Textbox) -> GenerateTab:
    """The tab's components and the events that stay inside it."""
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=4, min_width=290, elem_classes="controls"):
            with gr.Row():
                seed = gr.Number(SEED, label=text("Seed"), min_width=130, elem_id="seed")
                dice = gr.Button(text("🎲 New seed"), min_width=120, elem_id="dice", elem_classes="dice")
            count = gr.Slider(1, MAX_COUNT, COUNT, step=1, label=text("Images"))
            classes = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label=text("Classes"),
                elem_id="classes",
            )
            typed = gr.Button(visible="hidden", elem_id="classes-typed")
            prompt = gr.Textbox(
                label=text("Prompt"), info=text("what each sample begins with"), visible=False, elem_id="prompt"
            )
            own = sampler_options.build()
            caption = gr.Markdown(text("LATENT DIRECTIONS, THE STRONGEST FIRST"), elem_classes="caption")
            sliders, strips = [], []
            for rank in range(NUM_DIRECTIONS):
                with gr.Group(elem_classes="direction"):
                    sliders.append(gr.Slider(-REACH, REACH, 0, step=0.1, label=direction_label(rank + 1, "…")))
                    strips.append(sheet(f"strip-{rank + 1}"))
            with gr.Row():
                mix_seed = gr.Number(
                    None,
                    label=text("Styles from seed"),
                    info=text("style mixing: later layers (of W) follow this seed, earlier ones the image's own"),
                    visible=False,
                    min_width=120,
                )
                mix_layer = gr.Slider(0, 1, 0, step=1, label=text("from layer"), visible=False, min_width=120)
            others = gr.Textbox(
                label=text("Other directions"), info=text("by name, in standard deviations"), visible=False
            )
            start = gr.Button(text("Generate"), variant="primary", elem_id="generate")
            past = gr.BrowserState([], storage_key="aigc-studio-history", secret="aigc-studio")
            gr.Markdown(text("HISTORY — CLICK TO COME BACK"), elem_classes="caption")
            history = sheet("history")
            gr.Markdown(text("START FROM AN EXAMPLE"), elem_classes="caption")
            with gr.Row(elem_classes="chips"):
                examples = {name: gr.Button(text(name), size="sm", min_width=130) for name in EXAMPLES}
        with gr.Column(scale=9, min_width=300, elem_classes="stage first"):
            gallery = gr.Gallery(
                show_label=False, columns=4, object_fit="contain", elem_id="images", format="png", height="auto",
                buttons=["download", "fullscreen"], interactive=False,
            )  # fmt: skip
            listed = listing("samples")
            offered = chosen.build()
            with gr.Row(elem_classes="chips"):
                captioned = gr.Checkbox(False, label=text("Captions"), min_width=110, scale=0, elem_id="captions")
                pack = gr.Button(text("Download all (zip)"), size="sm", min_width=120, elem_id="pack")
                packed = gr.DownloadButton(visible="hidden", elem_id="archive")
                to_explore = gr.Button(text("Explore around the first one"), size="sm", min_width=120)
            link = gr.Textbox(
                label=text("Link to exactly these images"), interactive=False, buttons=["copy"], elem_id="link"
            )
    controls = [seed, count, classes, prompt, *own, *sliders, mix_seed, mix_layer, others]
    outputs = [gallery, listed, link, gr.State(""), offered.panel]
    fitted = [*controls, *strips, caption, gallery, captioned, listed, link]
    tab = GenerateTab(controls, fitted, outputs, strips, offered, to_explore, examples, past, history)
    moving = (count, *(each for each in own if isinstance(each, gr.Slider)), *sliders, mix_layer)
    moved, let_go = partial(gr.on, [each.input for each in moving]), partial(gr.on, [each.release for each in moving])
    tab.followed(tab.shown_by(moved, reference, show_progress="hidden"))
    tab.remembered(tab.shown_by(let_go, reference, show_progress="hidden"))  # at its last place, drawn or not yet
    for slider, strip in zip(sliders, strips):
        stepped = strip.select(place_in_strip, None, slider, show_progress="hidden", api_visibility="private")
        tab.remembered(tab.shown_by(stepped.success, reference))
    boxes = [each for each in own if isinstance(each, gr.Number | gr.Textbox)]
    menus = [each for each in own if isinstance(each, gr.Dropdown | gr.Checkbox)]
    entered = [each.submit for each in (seed, prompt, *boxes, mix_seed, others)] + [each.input for each in menus]
    named = gr.on(
        [classes.input, typed.click], known_classes, [reference, classes], classes, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    tab.remembered(tab.shown_by(named.success, reference))
    tab.remembered(tab.shown_by(partial(gr.on, [*entered, start.click]), reference))
    rolled = dice.click(lambda: random.randrange(1_000_000), None, seed, api_visibility="private")
    tab.remembered(tab.shown_by(rolled.success, reference))
    gallery.select(choose, link, offered.outputs, show_progress="hidden", api_visibility="private")
    captioned.change(None, captioned, None, js=CAPTION, api_visibility="private")
    pack.click(zip_of_link, link, packed, api_visibility="private").success(None, packed, None, js=DOWNLOAD)
    api(generate, api_name="generate")
    api(archive, api_name="archive")
    return tab


def choose(visitor: gr.OAuthToken | None, link: str, event: gr.SelectData) -> list[Any]:
    """What is offered for the picture that was chosen."""
    return chosen.choose(visitor, request_of_link(link), int(event.index))


def draw_strips(visitor: gr.OAuthToken | None, link: str) -> list[str]:
    """For each direction with a slider, a sheet of the first image on show at each place of STRIP along it."""
    token = token_of(visitor)
    with errors_shown():
        first = request_of_link(link).singles()[0]
        checkpoint = load_checkpoint(first.checkpoint, token)
        names = visible_directions(first.checkpoint, NUM_DIRECTIONS, token)
        own, edits = first.options_of(checkpoint.model), first.edits_of(checkpoint.model)
        moved = [first.with_options(own, edits.at(name, float(place))) for name in names for place in STRIP]
        requests = [request.normalised(checkpoint.model).canonical() for request in moved]
        images = draw(requests, token) if requests else []
    pictures = [data_uri(image, request, checkpoint.weights_sha256) for image, request in zip(images, requests)]
    strips = []
    for rank, name in enumerate(names):
        titles = [f"{name} {place:+d}" for place in STRIP]
        shown = list(zip(pictures[rank * len(STRIP) :], titles))
        at = edits.offsets.get(name, 0.0)
        strips.append(sheet_html(shown, len(STRIP), STRIP.index(int(at)) if at in STRIP else None))
    return strips + [""] * (NUM_DIRECTIONS - len(strips))


def place_in_strip(event: gr.EventData) -> int:
    """How far along its direction the picture that was clicked lies."""
    return STRIP[int(event.index) % len(STRIP)]


def remember(link: str, small: str, past: Remembered | None) -> tuple[Remembered, str]:
    """The past with the request of a link and its picture in front, once, and its sheet."""
    request = request_of_link(link).canonical()
    others = [entry for entry in past or [] if entry[0] != request]
    return remembered([[request, small], *others][:MAX_REMEMBERED])


def remembered(past: Remembered | None) -> tuple[Remembered, str]:
    """A past, as the visitor's browser keeps it, and its sheet."""
    past = past or []
    return past, sheet_html([(picture, request) for request, picture in past])


def recall(past: Remembered, event: gr.EventData) -> str:
    """The request of the remembered picture that was clicked."""
    return past[int(event.index) % len(past)][0]


def first_request(link: str) -> str:
    """The request of the first of the images on show."""
    with errors_shown():
        return request_of_link(link).singles()[0].canonical()
