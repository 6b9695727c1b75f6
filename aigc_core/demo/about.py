"""The tab About this model: what it is, how well it does and how surely, and where it fails."""

from __future__ import annotations

import html
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from aigc_core.checkpoint.layout import CARD_FILE, SAMPLES_FILE
from aigc_core.files import translate_io_errors
from aigc_core.loading import find_checkpoint, load_checkpoint
from aigc_core.modalities.base import Modality
from aigc_core.modalities.image import ImageModality
from aigc_core.pipeline import Checkpoint

from .language import text, translated, word
from .pictures import served_folder
from .visitor import errors_shown, token_of

if TYPE_CHECKING:
    from aigc_core.evaluation.results import Result

ARROWS = {"lower": "↓", "higher": "↑"}


def about(visitor: gr.OAuthToken | None, reference: str) -> tuple[str, str, str | None]:
    """A model's facts and figures as HTML, its card as Markdown, and its sheet of samples."""
    from aigc_core.evaluation.results import precision_and_coverage, read_results
    from aigc_core.hub.card import card_body

    with errors_shown():
        token = token_of(visitor)
        folder, loaded = find_checkpoint(reference, token), load_checkpoint(reference, token)
        results = read_results(folder)
        card, samples = folder / CARD_FILE, folder / SAMPLES_FILE
        with translate_io_errors(Path(SAMPLES_FILE)):
            copied = str(shutil.copyfile(samples, served_folder() / SAMPLES_FILE)) if samples.is_file() else None
    lines = [line for line in card_body(card).splitlines() if not line.startswith("![")]
    measured = "".join(figures(result) for result in results) or f"<p>{word('not_evaluated')}</p>"
    shares = precision_and_coverage(results)
    shortfall = word("shortfall").format(**shares) if shares else ""
    parts = [
        facts(loaded),
        f"<h3>{word('how_well')}</h3>{measured}",
        f"<h3>{word('limits_heading')}</h3><p>{shortfall}{word('limits')}</p>",
    ]
    return "".join(parts), "\n".join(lines), copied


def _described(kind: Modality) -> str:
    if not isinstance(kind, ImageModality):
        return kind.describe()
    return f"{kind.resolution} × {kind.resolution} {word('pixels')}, {word('grey' if kind.channels == 1 else 'colour')}"


def facts(checkpoint: Checkpoint) -> str:
    """A table of what a model is, as HTML."""
    config = checkpoint.config
    kind = config.sample_kind
    names = [config.class_name(label) for label in range(config.num_classes)]
    listed = ": " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "") if names else ""
    size = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    rows = {
        "architecture": f"{config.architecture}, {size:,} {word('parameters')}",
        "draws": f"{_described(kind)}{listed}",
        "data": config.dataset,
        "licence": config.data_licence or word("unknown"),
        "training": f"{config.step:,} {word('steps')}, {config.images_seen:,} {word('images_seen')}, "
        f"{config.training_seconds / 60:,.0f} {word('minutes')}",
    }
    cells = "".join(f"<tr><th>{word(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in rows.items())
    return f"<h3>{word('facts')}</h3><table>{cells}</table>"


def figures(result: Result) -> str:
    """A table of a result's figures with their intervals and what to know of each, as HTML."""
    from aigc_core.evaluation.results import FEW_IMAGES, FIGURES, NOT_MEASURED

    rows = {
        name: f"<td><b>{figure.value:.4g}</b></td><td>{figure.low:.4g} – {figure.high:.4g}</td>"
        for name, figure in result.figures.items()
    }
    for name, count in result.min_samples.items():
        rows[name] = f'<td colspan="2">{translated(NOT_MEASURED).format(count=f"{count:,}")}</td>'
    cells = "".join(
        f"<tr><th>{translated(kind.title)} {ARROWS[kind.better]}</th>{row}"
        f'<td class="caveat">{html.escape(translated(kind.caveat))}</td></tr>'
        for name, row in rows.items()
        if (kind := FIGURES.get(name))
    )
    protocol = result.protocol
    note = word("protocol").format(
        samples=protocol.num_samples,
        dataset=protocol.dataset,
        split=protocol.split,
        extractor=protocol.extractor,
        id=protocol.id,
    )
    if not result.has_enough_images:
        note = f"{translated(FEW_IMAGES)} {note}"
    head = f"<tr><th></th><td></td><td>{word('interval')}</td><td></td></tr>"
    return f'<table class="figures">{head}{cells}</table><p class="note">{html.escape(note)}</p>'


def copy_to_account(visitor: gr.OAuthToken, checkpoint: str, name: str) -> str:
    """Push a model into a private repository of the visitor, with the visitor's own rights; says where."""
    from aigc_core.hub.client import push

    with errors_shown():
        address = push(find_checkpoint(checkpoint, visitor.token), name, private=True, token=visitor.token)
    return f"[{name}]({address})"


def build(reference: gr.Textbox) -> list[Any]:
    """The tab's components, in the order of `about`'s results; on a Space, a visitor can copy the model."""
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=6, min_width=300, elem_classes="stage"):
            table = gr.HTML(elem_id="about-facts")
        with gr.Column(scale=4, min_width=280, elem_classes="stage"):
            samples = gr.Image(show_label=False, interactive=False, elem_id="about-samples", buttons=[])
            if "OAUTH_CLIENT_ID" in os.environ:
                name = gr.Textbox(label=text("copy_name"), placeholder="owner/name")
                copy, copied = gr.Button(text("copy")), gr.Markdown()
                copy.click(copy_to_account, [reference, name], copied, api_visibility="private")
    with gr.Accordion(text("card"), open=False):
        card = gr.Markdown(elem_id="about-card")
    return [table, card, samples]
