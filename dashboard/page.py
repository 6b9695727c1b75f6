"""What every page is made of: its head, choices that are part of the address, ways to other pages."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import streamlit as st
from language import t
from streamlit.delta_generator import DeltaGenerator

from aigc_core.leaderboard import Entry, labels
from aigc_core.results import Protocol
from aigc_core.sampling import MAX_SEED

Option = TypeVar("Option", str, int)


def as_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>~$:" else letter for letter in text)


def open_page(page: str, **choices: str | list[str]) -> None:
    """Go to a page with choices made there; those of the sidebar stay."""
    st.switch_page(page, query_params=choices)


def name_unmeasured(found: list[Entry]) -> None:
    """Say which checkpoints have no figures, with the way to get them."""
    named = labels(found)
    waiting = [named[entry.reference] for entry in found if not entry.results]
    if waiting:
        row = st.container(border=True, horizontal=True, vertical_alignment="center")
        row.markdown(f"**{t('Not evaluated yet')}**: {t(', ').join(map(as_text, waiting))}", width="stretch")
        if row.button(t("Evaluate one"), icon=":material/speed:", key="to-evaluate"):
            open_page("evaluate.py")
    elif not found:
        st.info(t("There is no checkpoint here; add one in the sidebar."), icon=":material/add_circle:")


def head(title: str, caption: str) -> None:
    """A page's title and what it is for."""
    st.title(title, anchor=False)
    st.caption(caption)


def protocol_title(protocol: Protocol) -> str:
    """What a protocol is called where one is chosen."""
    return f"{protocol.dataset} · {protocol.id}"


def protocol_sentence(protocol: Protocol) -> str:
    """What was measured against what."""
    return t(
        "{samples} samples against {reference} images of {dataset} ({split}), features of `{extractor}` (weights "
        "{weights}), protocol `{id}`.",
        samples=f"{protocol.num_samples:,}",
        reference=f"{protocol.num_reference:,}",
        dataset=as_text(protocol.dataset),
        split=protocol.split,
        extractor=protocol.extractor,
        weights=protocol.extractor_hash[:8],
        id=protocol.id,
    )


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
