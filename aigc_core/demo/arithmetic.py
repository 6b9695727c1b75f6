"""A part of Explore: what one picture has and another has not, added to a third (A − B + C)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.labels import class_entries
from aigc_core.sampling.request import REQUEST, SampleRequest
from aigc_core.sampling.sample import request_noise

from ..config import parse_config
from ..errors import AIGCError
from .generate import request_of_link
from .inference import LatentPoint, draw_around, draw_sum
from .language import text
from .pictures import large_html, tiles
from .visitor import errors_shown, token_of

TERMS = ("A", "B", "C")
NAMES = tuple(f"sum_{term.lower()}" for term in TERMS)
"""What an address calls their requests."""
WHOLE_LINK = "query => query && new URL(query, location.href).href"

Term = LatentPoint | str
"""A place, or the canonical request of one."""
Found = tuple[LatentPoint, str]
"""A place and its picture."""


@dataclass
class Arithmetic:
    """What the rest of Explore refers to: the `terms` A, B and C, which an address sets, and their `seeds`; `outputs`
    as `draw_terms` returns them; buttons that `take` what is chosen on the map as a term, and that lead on from the
    result, `found`."""

    terms: list[gr.State]
    seeds: list[gr.Number]
    outputs: list[Any]
    take: list[gr.Button]
    found: gr.State
    centre_it: gr.Button
    keep_it: gr.Button


def where_of(query: Mapping[str, str]) -> list[str]:
    """The requests of the terms in an address. Raises AIGCError for what is no request."""
    found = [query.get(name, "") for name in NAMES]
    for request in filter(None, found):
        SampleRequest.from_canonical(request)
    return found


def terms_of(link: str, checkpoint: Checkpoint, reference: str, terms: tuple[Term, ...]) -> list[Term]:
    """The terms for a model: those there are where they are its own, else the first picture of a link and the seeds
    after it, in the class of that picture: a sum across classes shows little."""
    first, config, kept = request_of_link(link).singles()[0], checkpoint.config, []
    labels = first.labels
    if config.num_classes and not labels:
        drawn = int(request_noise(checkpoint, first)[1].classes.argmax())
        labels = class_entries(config.class_names, config.num_classes)[drawn]
    for number, term in enumerate(terms):
        place = SampleRequest.from_canonical(term) if isinstance(term, str) else term
        seed = (first.seed + number) % (MAX_SEED + 1)
        later = first.model_copy(update={"seed": seed, "labels": labels})
        kept.append(term if place.checkpoint == reference else (later if number else first).canonical())
    return kept


def seed_of(term: Term) -> int | None:
    """The seed of a term, where it has one."""
    request = term.request if isinstance(term, LatentPoint) else term
    return SampleRequest.from_canonical(request).seed if request else None


def draw_terms(visitor: gr.OAuthToken | None, link: str, reference: str, *terms: Term) -> list[Any]:
    """The pictures of the terms, that of A − B + C, its place, and the address of it all as a query, which is empty
    where a term has no request."""
    with errors_shown():
        token = token_of(visitor)
        made = load_checkpoint(reference, token)
        kind, weights = made.modality, made.weights_sha256
        own = terms_of(link, made, reference, terms)
        shown, requests = [], []
        for term in own:
            stored, (place,) = draw_around(term, [{}], token)
            (picture,) = tiles(stored, [place.request], weights, kind)
            shown.append(large_html(stored, picture, place.request, weights, kind, plays=False))
            requests.append(place.request)
        stored, place = draw_sum(own, token)
        (picture,) = tiles(stored, [""], weights, kind)
        result = large_html(stored, picture, "", weights, kind, plays=False)
        query = {"tab": "explore"} | dict(zip(NAMES, requests))
        address = f"?{request_of_link(link).canonical()}&{urlencode(query)}" if all(requests) else ""
    return [*shown, result, (place, picture), address]


def seeded(link: str, seed: float | None) -> str:
    """The canonical request of a seed, with all else as the first picture of a link has it."""
    with errors_shown():
        values = request_of_link(link).singles()[0].model_dump() | {"seed": seed}
        return parse_config(SampleRequest, values, REQUEST).canonical()


def place_of(found: Found | None) -> LatentPoint:
    """Where the result lies."""
    with errors_shown():
        if found is None:
            raise AIGCError("There is no result yet; type a seed and press Enter.")
    return found[0]


def build(link: gr.Textbox, reference: gr.Textbox) -> Arithmetic:
    """The components and the events that stay among them; `link` and `reference`: those of Generate and the header."""
    gr.Markdown(text("### A − B + C"), elem_classes="section")
    gr.Markdown(
        text("What A has and B has not is added to C. Type seeds, or take what is chosen on the map."),
        elem_classes="lead",
    )
    terms, found, address = [gr.State("") for _ in TERMS], gr.State(None), gr.Textbox(visible=False)
    pictures, seeds, take = [], [], []
    with gr.Row():
        for sign, term in zip(("", "− ", "+ "), TERMS):
            with gr.Column(min_width=130, elem_classes="controls"):
                pictures.append(gr.HTML(elem_classes="pixels", elem_id=f"term-{term}"))
                seeds.append(gr.Number(None, label=f"{sign}{term}", elem_id=f"seed-{term}"))
                take.append(gr.Button(text("Take the chosen one"), size="sm", elem_id=f"take-{term}"))
        with gr.Column(min_width=130, elem_classes="controls"):
            result = gr.HTML(elem_classes="pixels", elem_id="sum")
            keep_it = gr.Button(text("Keep it"), size="sm", elem_id="sum-keep")
            centre_it = gr.Button(text("Explore around it"), size="sm", elem_id="sum-explore")
    shared = gr.Textbox(label=text("Link to exactly this sum"), interactive=False, buttons=["copy"], elem_id="sum-link")
    private: Any = {"api_visibility": "private"}
    outputs = [*pictures, result, found, address]
    for seed, term in zip(seeds, terms):
        seed.submit(seeded, [link, seed], term, **private).success(
            draw_terms, [link, reference, *terms], outputs, **private
        )
    address.change(None, address, shared, js=WHOLE_LINK, **private)
    return Arithmetic(terms, seeds, outputs, take, found, centre_it, keep_it)
