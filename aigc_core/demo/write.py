"""The tab Write: texts that grow token by token, side by side, and go on from wherever one likes."""

from __future__ import annotations

import html
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr
import numpy as np
import torch

from aigc_core.families.base import Capability
from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import warning_of

from . import options as sampler_options
from .generate import FOLLOW, SEED, class_choices, request_of, request_of_link
from .inference import write_stream
from .language import t, text
from .pictures import COPIED, served_folder, text_class, write_samples
from .visitor import errors_shown, token_of

MAX_VARIANTS = 4
MOST_SURPRISING = 1000
"""One in so many, or less, is coloured most."""
KEPT_SHARE = 0.75
"""A prompt takes no more of what a model can look at; of a longer text, the last half is kept."""

GROWN = (
    COPIED
    + """
const tokens = text => [...text.querySelectorAll('i')];
element.addEventListener('mouseover', event => {
  const token = event.target.closest('i[style]');
  if (token) token.title = Math.round(100 * token.style.getPropertyValue('--p')) + ' %';
});
element.addEventListener('click', event => {
  const sample = event.target.closest('.sample'), token = event.target.closest('i');
  if (!sample || !(token || event.target.closest('[data-continue]'))) return;
  const all = tokens(sample), last = token ? all.indexOf(token) : all.length - 1;
  const begun = sample.querySelector('.prompt').textContent;
  trigger('select', {index: last, value: begun + all.slice(0, last + 1).map(each => each.textContent).join('')});
});"""
)
FOLLOW_WRITTEN = f"link => link && ({FOLLOW})(link)"
COLOUR = "coloured => { document.body.classList.toggle('probabilities', coloured); }"


@dataclass
class WriteTab:
    """What the page refers to: `fitted` is in the order of what `open_link` yields."""

    fitted: list[Any]
    stop: gr.Button

    def stop_by_button(self, events: Sequence[Any]) -> None:
        """Let the button Stop end events."""
        self.stop.click(None, cancels=list(events), api_visibility="private")


def fits(checkpoint: Checkpoint) -> bool:
    """Whether a model writes texts token by token."""
    return Capability.STREAM in checkpoint.model.capabilities and checkpoint.modality.media == "text"


def open_link(visitor: gr.OAuthToken | None, link: str) -> Iterator[list[Any]]:
    """The controls for a link's model as its request has them, the link, and its texts as they grow."""
    with errors_shown():
        shared = request_of_link(link)
        request = shared.model_copy(update={"count": min(shared.count, MAX_VARIANTS)})
        checkpoint = load_checkpoint(request.checkpoint, token_of(visitor))
        model, choices = checkpoint.model, class_choices(checkpoint.config)
        link = _query(request)
        controls = [
            request.seed,
            request.count,
            gr.Dropdown(choices=[(t("any"), ""), *choices], value=request.labels, visible=bool(choices)),
            gr.Textbox(value=request.prompt, visible=Capability.PROMPT in model.capabilities),
            *sampler_options.updates(request.options_of(model)),
            link,
        ]
        yield [*controls, ""]
        for drafts in write(visitor, link):
            yield [*(gr.skip() for _ in controls), drafts]


def link_of(
    visitor: gr.OAuthToken | None, reference: str, seed: Any, count: Any, form: str | None, prompt: str, *own: Any
) -> str:
    """The link of what the controls ask for."""
    with errors_shown():
        model = load_checkpoint(reference, token_of(visitor)).model
        chosen = sampler_options.chosen(model.options_type, own)
        request = request_of(reference, seed, count, form or "", prompt or "", chosen)
        return _query(request.normalised(model))


def _query(request: SampleRequest) -> str:
    """The query of a page that writes a request's texts on this tab."""
    return f"?{request.canonical()}&tab=write"


def write(visitor: gr.OAuthToken | None, link: str) -> Iterator[str]:
    """The texts of a link as they grow; in the end with their files."""
    with errors_shown():
        token = token_of(visitor)
        request = request_of_link(link)
        checkpoint = load_checkpoint(request.checkpoint, token)
        tokens, probabilities = np.zeros((request.count, 0), dtype=np.int64), np.zeros((request.count, 0))
        for tokens, probabilities in write_stream(request.canonical(), token):
            yield drafts_html(checkpoint, request, tokens, probabilities)
        files = write_samples(torch.from_numpy(tokens), request, checkpoint, served_folder())
        if said := warning_of(checkpoint, request, torch.from_numpy(tokens)):
            gr.Warning(t(said))
        yield drafts_html(checkpoint, request, tokens, probabilities, [str(file) for file in files])


def write_linked(visitor: gr.OAuthToken | None, query: str) -> Iterator[tuple[Any, str]]:
    """The query of a link once its texts have begun, and these as they grow; one that fails leaves what is shown."""
    link: Any = query
    for drafts in write(visitor, query):
        yield link, drafts
        link = gr.skip()


def drafts_html(
    checkpoint: Checkpoint,
    request: SampleRequest,
    tokens: np.ndarray,
    probabilities: np.ndarray,
    files: Sequence[str] = (),
) -> str:
    """N texts side by side, of tokens int64 [N, T] with probabilities [N, T], and their files if they are done."""
    kind, begun = checkpoint.modality, 0
    if request.prompt:
        begun = len(kind.encode_prompt(request.prompt))
    cards = []
    for row, seed in enumerate(request.seeds()):
        drawn = zip(kind.pieces(tokens[row].tolist())[begun:], probabilities[row, begun:].tolist())
        said = "".join(
            f'<i style="--surprise:{_surprise(share):.2f}">{html.escape(piece)}</i>' for piece, share in drawn
        )
        buttons = f'<button type="button" data-copy>{t("Copy")}</button>'
        buttons += f'<button type="button" data-continue>{t("Continue")}</button>'
        if files:
            address = html.escape(f"gradio_api/file={quote(files[row])}")
            name = html.escape(files[row].rpartition("/")[2])
            buttons += f'<a href="{address}" download="{name}">{t("Download")}</a>'
        prompt = f'<span class="prompt">{html.escape(request.prompt)}</span>'
        cards.append(
            f'<article class="sample"><header><span>{t("Seed")} {seed}</span>{buttons}</header>'
            f'<pre class="{text_class(kind, request.prompt + said)}">{prompt}{said}</pre></article>'
        )
    return f'<div class="listing drafts">{"".join(cards)}</div>'


def _surprise(probability: float) -> float:
    """How surprising a token is, on the scale of information: from 0, certain, to 1, one in MOST_SURPRISING or less."""
    return min(1.0, -math.log(max(probability, 1e-30)) / math.log(MOST_SURPRISING))


def continued(visitor: gr.OAuthToken | None, reference: str, event: gr.EventData) -> tuple[str, int]:
    """The text up to where it was clicked as the prompt, without its beginning if it is long, and a new seed."""
    with errors_shown():
        checkpoint = load_checkpoint(reference, token_of(visitor))
        kind, room = checkpoint.modality, checkpoint.model.noise_shape[0]
        written = str(event.value)
        kept = kind.ending(written, int(KEPT_SHARE * room))
        return (kept if kept == written else kind.ending(written, room // 2)), random.randrange(1_000_000)


def build(reference: gr.Textbox) -> WriteTab:
    """The tab's components and the events that stay inside it."""
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=4, min_width=290, elem_classes="controls"):
            with gr.Row():
                seed = gr.Number(SEED, label=text("Seed"), min_width=130, elem_id="write-seed")
                dice = gr.Button(text("🎲 New seed"), min_width=120, elem_classes="dice")
            count = gr.Slider(1, MAX_VARIANTS, 1, step=1, label=text("Variants"), elem_id="variants")
            form = gr.Dropdown([], label=text("Form"), allow_custom_value=True, visible=False, elem_id="form")
            own = sampler_options.build()
        with gr.Column(scale=9, min_width=300, elem_classes="stage first"):
            prompt = gr.Textbox(
                label=text("Prompt"), info=text("what each text begins with"), lines=2, max_lines=8, elem_id="beginning"
            )
            with gr.Row(elem_classes="chips"):
                start = gr.Button(text("Write"), variant="primary", min_width=120, elem_id="write")
                stop = gr.Button(text("Stop"), min_width=90, elem_id="stop")
                coloured = gr.Checkbox(False, label=text("Colour by probability"), min_width=180, elem_id="colour")
            drafts = gr.HTML(js_on_load=GROWN, apply_default_css=False, elem_id="drafts")
            gr.Markdown(
                text("Click into a text to go on from there with a new seed. In colour, the redder, the less likely."),
                elem_classes="lead",
            )
            link = gr.Textbox(
                label=text("Link to exactly these texts"), interactive=False, buttons=["copy"], elem_id="write-link"
            )
    controls = [seed, count, form, prompt, *own]
    query = gr.State("")
    private: Any = {"api_visibility": "private"}

    def writing_after(event: Any) -> Any:
        """Write what the controls ask for when an event is over; returns the event that can be stopped."""
        asked = event(link_of, [reference, *controls], query, **private)
        return asked.success(write_linked, query, [link, drafts], show_progress="hidden", **private)

    rolled = dice.click(lambda: random.randrange(1_000_000), None, seed, **private)
    gone_on = drafts.select(continued, reference, [prompt, seed], **private)
    streams = [writing_after(event) for event in (start.click, prompt.submit, rolled.success, gone_on.success)]
    gr.on([stop.click, start.click, prompt.submit, dice.click, drafts.select], None, cancels=streams, **private)
    coloured.change(None, coloured, None, js=COLOUR, **private)
    link.change(None, link, link, js=FOLLOW_WRITTEN, **private)
    return WriteTab([*controls, link, drafts], stop)
