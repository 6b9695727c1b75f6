"""The tab About this model: what it is, how well it does and how surely, and where it fails."""

from __future__ import annotations

import html
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from aigc_core.checkpoint.layout import CARD_FILE
from aigc_core.files import translate_io_errors
from aigc_core.loading import find_checkpoint, load_checkpoint
from aigc_core.modalities.base import Modality
from aigc_core.modalities.image import image_grid
from aigc_core.pipeline import Checkpoint

from .language import t, text
from .pictures import as_data_uri, card_html, player_card, png_of, served_folder
from .visitor import errors_shown, token_of

if TYPE_CHECKING:
    from aigc_core.evaluation.results import Result

READ = 1500
"""How many characters of a preview of texts are shown."""
HEARD, HEARD_COLUMNS = 20, 5
"""How many spectrograms of a preview of sounds are shown, and how many beside one another."""


def about(visitor: gr.OAuthToken | None, reference: str) -> tuple[str, str, Any, Any]:
    """A model's facts and figures as HTML, its card as Markdown, and its preview: a picture, or HTML."""
    from aigc_core.evaluation.results import precision_and_coverage, read_results
    from aigc_core.hub.card import card_body

    with errors_shown():
        token = token_of(visitor)
        folder, loaded = find_checkpoint(reference, token), load_checkpoint(reference, token)
        results = read_results(folder)
        picture, other = preview(folder, loaded.modality)
    lines = [line for line in card_body(folder / CARD_FILE).splitlines() if not line.startswith("![")]
    measured = "".join(figures(result) for result in results) or f"<p>{t('It has not been evaluated yet.')}</p>"
    shares = precision_and_coverage(results)
    shortfall = (
        t(
            "{precision} of its samples lie among the real ones (precision), and {coverage} of the real ones have a "
            "sample near them (coverage): the rest is where it fails. ",
            **shares,
        )
        if shares
        else ""
    )
    limits = t(
        "What it draws is made by a machine and is of no real object, person or event; say so where you show it. The "
        "model knows nothing outside its training data and repeats the imbalances in it."
    )
    parts = [
        facts(loaded),
        f"<h3>{t('How well it does')}</h3>{measured}",
        f"<h3>{t('Where it fails')}</h3><p>{shortfall}{limits}</p>",
    ]
    shown = gr.Image(picture, visible=bool(picture)), gr.HTML(other, visible=bool(other))
    return "".join(parts), "\n".join(lines), *shown


def preview(folder: Path, kind: Modality) -> tuple[str | None, str]:
    """The preview in a checkpoint's folder as a picture's file, or as HTML for what is read or heard; neither where
    there is none. Raises AIGCError if it cannot be read, or not be copied to where it is served from."""
    file = folder / kind.preview_file
    if not file.is_file():
        return None, ""
    if kind.media == "text":
        with file.open(encoding="utf-8", errors="replace") as texts:
            said = texts.read(READ)
        if len(said) == READ:
            said += " …"
        return None, card_html(f'<pre class="prose">{html.escape(said)}</pre>')
    with translate_io_errors(Path(kind.preview_file)):
        copied = shutil.copyfile(file, served_folder() / file.name)
    if not kind.is_played:
        return str(copied), ""
    spectrograms = image_grid(kind.pictures(kind.read_preview(file, HEARD)), HEARD_COLUMNS)
    return None, player_card(as_data_uri(png_of(spectrograms)), copied)


def facts(checkpoint: Checkpoint) -> str:
    """A table of what a model is, as HTML."""
    config = checkpoint.config
    kind = config.sample_kind
    names = [config.class_name(label) for label in range(config.num_classes)]
    listed = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
    drawn = t(kind.describe())
    size = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    rows = {
        t("Architecture"): t("{name}, {count:,} parameters", name=config.architecture, count=size),
        t("Draws"): t("{samples}: {classes}", samples=drawn, classes=listed) if names else drawn,
        t("Trained on"): config.dataset or t("not known"),
        t("Licence of the data"): config.data_licence or t("not known"),
        t("Training"): t(
            "{steps:,} steps, {samples:,} samples, {minutes:,.0f} minutes",
            steps=config.step,
            samples=config.samples_seen,
            minutes=config.training_seconds / 60,
        ),
    }
    cells = "".join(f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in rows.items())
    return f"<h3>{t('What it is')}</h3><table>{cells}</table>"


def figures(result: Result) -> str:
    """A table of a result's figures with their intervals and what to know of each, as HTML."""
    from aigc_core.evaluation.results import FEW_SAMPLES, FIGURES, NOT_MEASURED

    rows = {
        name: f"<td><b>{figure.value:.4g}</b></td><td>{figure.low:.4g} – {figure.high:.4g}</td>"
        for name, figure in result.figures.items()
    }
    for name, count in result.min_samples.items():
        rows[name] = f'<td colspan="2">{t(NOT_MEASURED, count=count)}</td>'
    cells = "".join(
        f"<tr><th>{t(kind.title)} {kind.arrow}{info_sign(kind.meaning)}</th>"
        f'{row}<td class="caveat">{html.escape(t(kind.caveat))}</td></tr>'
        for name, row in rows.items()
        if (kind := FIGURES.get(name))
    )
    protocol = result.protocol
    note = t(
        "{samples:,} samples against {dataset} ({split}), {compared}, protocol {id}. ↓ lower is better, "
        "↑ higher. Compare only under the same protocol.",
        samples=protocol.num_samples,
        dataset=protocol.dataset,
        split=protocol.split,
        compared=protocol.compared,
        id=protocol.id,
    )
    if not result.has_enough_samples:
        note = f"{t(FEW_SAMPLES)} {note}"
    head = f"<tr><th></th><td></td><td>{t('95 % interval')}</td><td></td></tr>"
    return f'<table class="figures">{head}{cells}</table><p class="note">{html.escape(note)}</p>'


def info_sign(sentence: str) -> str:
    """A sign as HTML that shows a sentence when it is pointed at, touched or reached by keyboard."""
    return f' <span class="info-sign" role="note" tabindex="0" aria-label="{html.escape(t(sentence))}">ⓘ</span>'


def copy_to_account(visitor: gr.OAuthToken, checkpoint: str, name: str) -> str:
    """Push a model into a private repository of the visitor, with the visitor's own rights; says where."""
    from aigc_core.hub.push import push

    with errors_shown():
        address = push(find_checkpoint(checkpoint, visitor.token), name, private=True, token=visitor.token)
    return f"[{name}]({address})"


def build(reference: gr.Textbox) -> list[Any]:
    """The tab's components, in the order of `about`'s results; on a Space, a visitor can copy the model."""
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=6, min_width=300, elem_classes="stage"):
            table = gr.HTML(elem_id="about-facts")
        with gr.Column(scale=4, min_width=280, elem_classes="stage"):
            picture = gr.Image(show_label=False, interactive=False, elem_id="about-samples", buttons=[])
            other = gr.HTML(visible=False, apply_default_css=False, elem_id="about-preview")
            if "OAUTH_CLIENT_ID" in os.environ:
                name = gr.Textbox(label=text("Its name on the Hub"), placeholder="owner/name")
                copy, copied = gr.Button(text("Copy to my account (private)")), gr.Markdown()
                copy.click(copy_to_account, [reference, name], copied, api_visibility="private")
    with gr.Accordion(text("The whole card"), open=False):
        card = gr.Markdown(elem_id="about-card")
    return [table, card, picture, other]
