"""The tab Inspect: what a file says of itself, and whether it is what its request makes."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from aigc_core.inspection import maker_of, read_provenance, request_in, says_generated, verify
from aigc_core.modalities.provenance import Provenance
from aigc_core.sampling.grid import is_grid
from aigc_core.sampling.request import SampleRequest

from ..errors import AIGCError, Sentence
from .generate import MAX_COUNT
from .language import t, text
from .visitor import errors_shown, token_of


@dataclass
class InspectTab:
    """What the page refers to: the file that was chosen, and the button that brings back what made it."""

    file: gr.File
    open_in_generate: gr.Button


def build() -> InspectTab:
    """The tab's components and the events that stay inside it."""
    gr.Markdown(
        text(
            "Whether a file was made here, what it says of itself, and whether its request makes the same again. A "
            "file that is dropped anywhere on the page brings back what made it."
        ),
        elem_classes="lead",
    )
    with gr.Row(elem_classes="wide"):
        with gr.Column(scale=4, min_width=290, elem_classes="controls"):
            file = gr.File(label=text("File"), type="filepath", elem_id="inspected")
            open_it = gr.Button(text("Open in Generate"), visible=False, elem_id="inspected-to-generate")
        with gr.Column(scale=6, min_width=300, elem_classes="stage"):
            findings = gr.HTML(elem_id="findings")
    file.change(inspect, file, [findings, open_it], api_visibility="private")
    return InspectTab(file, open_it)


def inspect(visitor: gr.OAuthToken | None, path: str | None) -> tuple[str, gr.Button]:
    """What was found in a file, as HTML; the button is for a file with a request."""
    if not path:
        return "", gr.Button(visible=False)
    try:
        provenance = read_provenance(Path(path))
    except AIGCError as error:
        return _findings([(t("Made here"), f"{t('There is no sign of it.')} {_said(error, path)}")]), gr.Button(
            visible=False
        )
    rows = [
        (t("Made here"), t("It says so.")),
        (t("AI-generated"), t("yes") if says_generated(provenance) else t("not stated")),
        ("IPTC", provenance.source_type),
        ("GB 45438-2025", ", ".join(f"{key} {value}" for key, value in provenance.aigc.items() if value)),
    ]
    if provenance.weights:
        rows.append((t("Weights"), f"sha256 {provenance.weights}"))
    opening = Sentence("Open in Generate")
    try:
        request = request_in(provenance)
        if is_grid(request):
            opening = Sentence("Open in Grid")
        rows.append((t("Request"), request.canonical()))
        rows.append((t("Made again"), _made_again(Path(path), provenance, request, token_of(visitor))))
    except AIGCError as error:
        rows.append((t("Made again"), _said(error, path)))
    return _findings(rows), gr.Button(text(opening), visible=bool(provenance.request))


def request_of_file(path: str | None) -> str:
    """The canonical request in a file."""
    with errors_shown():
        if not path:
            raise AIGCError("Choose a file first.")
        return request_in(read_provenance(Path(path))).canonical()


def _made_again(file: Path, provenance: Provenance, request: SampleRequest, token: str | None) -> str:
    """A sentence that a file holds what its request makes. Raises AIGCError, saying why not."""
    if request.count > MAX_COUNT:
        raise AIGCError("It holds {count:,} samples; the command inspect makes so many again.", count=request.count)
    verify(file, request, maker_of(provenance, request, token=token), token)
    return t("Its request makes the same again.")


def _said(error: AIGCError, path: str) -> str:
    """An error's sentence without the folder of the upload."""
    return t(error.sentence).replace(path, Path(path).name)


def _findings(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"
