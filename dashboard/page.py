"""What every page is made of: its head, choices that are part of the address, ways to other pages."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import streamlit as st
from language import t
from streamlit.delta_generator import DeltaGenerator

from aigc_core.evaluation.published import published_match
from aigc_core.evaluation.results import FEW_SAMPLES, FIGURES, NOT_MEASURED, Protocol, Result
from aigc_core.metrics.estimate import Estimate
from aigc_core.rng import MAX_SEED
from aigc_core.serving.leaderboard import Entry, labels

Option = TypeVar("Option", str, int)
Line = TypeVar("Line")


def as_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>~$:" else letter for letter in text)


def as_cells(figures: list[Estimate | None]) -> tuple[list[float | None], dict[float, str]]:
    """Figures as numbers, and each number's text; equal ones with unlike intervals are set apart by a last bit."""
    cells: list[float | None] = []
    texts: dict[float, str] = {}
    for figure in figures:
        value = None if figure is None else figure.value
        while value is not None and texts.setdefault(value, str(figure)) != str(figure):
            value = math.nextafter(value, math.inf)
        cells.append(value)
    return cells, texts


def page_of(lines: Sequence[Line], most: int, key: str) -> tuple[int, Sequence[Line]]:
    """Which page of a table that shows at most so many lines is chosen, from 1 on, and its lines; where there are
    several, they are chosen from here."""
    page = st.pagination(math.ceil(len(lines) / most), key=key) if len(lines) > most else 1
    return page, lines[(page - 1) * most : page * most]


def open_page(page: str, **choices: str | list[str]) -> None:
    """Go to a page with choices made there; those of the sidebar stay."""
    st.switch_page(page, query_params=choices)


def name_unmeasured(found: list[Entry]) -> None:
    """Say which checkpoints have no figures, with the way to get them."""
    if unmeasured := [entry.reference for entry in found if not entry.results]:
        named = labels(found)
        waiting = [named[reference] for reference in unmeasured]
        row = st.container(border=True, horizontal=True, vertical_alignment="center")
        row.markdown(f"**{t('Not evaluated yet')}**: {t(', ').join(map(as_text, waiting))}", width="stretch")
        if row.button(t("Evaluate one"), icon=":material/speed:", key="to-evaluate"):
            open_page("evaluate.py")
    elif not found:
        st.info(t("There is no checkpoint here; add one in the sidebar."), icon=":material/add_circle:")


def grid(columns: int) -> Iterator[DeltaGenerator]:
    """Cells from left to right, a new row after so many; on a phone each lies below the one before."""
    while True:
        yield from st.columns(columns)


def head(title: str, caption: str) -> None:
    """A page's title and what it is for."""
    st.title(title, anchor=False)
    st.caption(caption)


def protocol_title(protocol: Protocol) -> str:
    """What a protocol is called where one is chosen."""
    return f"{protocol.dataset} · {protocol.id}"


def protocol_sentence(protocol: Protocol) -> str:
    """What was measured against what."""
    if not protocol.extractor:
        return t(
            "{samples} samples against {reference} real ones of {dataset} ({split}), compared as they are, protocol "
            "`{id}`.",
            samples=f"{protocol.num_samples:,}",
            reference=f"{protocol.num_reference:,}",
            dataset=as_text(protocol.dataset),
            split=as_text(protocol.split),
            id=protocol.id,
        )
    return t(
        "{samples} samples against {reference} real ones of {dataset} ({split}), features of `{extractor}` (weights "
        "{weights}), protocol `{id}`.",
        samples=f"{protocol.num_samples:,}",
        reference=f"{protocol.num_reference:,}",
        dataset=as_text(protocol.dataset),
        split=as_text(protocol.split),
        extractor=protocol.extractor.replace("`", ""),
        weights=as_text(protocol.extractor_hash[:8]),
        id=protocol.id,
    )


def name_few_images(result: Result) -> None:
    """Say whose published figures it compares with, where its images are few, and which figures need more."""
    if matches := published_match(result.protocol):
        st.caption(t(matches))
    if not result.has_enough_samples:
        st.caption(t(FEW_SAMPLES))
    for name, count in result.min_samples.items():
        st.caption(f"{t(FIGURES[name].title)}: {t(NOT_MEASURED, count=count)}")


def name_caveats(names: Sequence[str]) -> None:
    """What to know of metrics: what they measure, the bias of their estimates and the range of their values."""
    with st.expander(t("How far these figures can be trusted"), icon=":material/info:"):
        said = {name: f"{t(FIGURES[name].meaning)} {t(FIGURES[name].caveat)}" for name in names}
        st.markdown("\n".join(f"- **{t(FIGURES[name].title)}**: {as_text(words)}" for name, words in said.items()))


def select(
    place: DeltaGenerator,
    label: str,
    options: Sequence[Option],
    key: str,
    words: Mapping[Option, str] | None = None,
    first: int = 0,
) -> Option:
    """A select box whose choice is part of the address; `words` are what the options are shown as."""
    show = words.__getitem__ if words else str
    chosen = place.selectbox(label, options, first, format_func=show, key=key, bind="query-params")
    return options[first] if chosen is None else chosen


def seed_input(place: DeltaGenerator) -> int:
    """The first seed of the samples that a page shows."""
    return int(place.number_input(t("First seed"), 0, MAX_SEED, 0, key="seed", bind="query-params") or 0)
