"""The checkpoints a page shows: the runs in `runs/`, those that ship, those that a Space was deployed with, and those
that the visitor added."""

import os
from collections.abc import Collection, Sequence
from itertools import chain

import pandas
import streamlit as st
from language import t
from page import as_text

from aigc_core.serving.board import Board
from aigc_core.serving.leaderboard import Entry, claimed, collect, own_sources, shipped_sources
from aigc_core.serving.queue import EvaluationQueue
from aigc_core.serving.sources import SourceReader

MAX_BOARDS = 16
MAX_BROKEN = 4
"""More broken checkpoints than these are folded away."""


@st.cache_resource(show_spinner=False)
def evaluation_queue() -> EvaluationQueue:
    """The one queue that all visitors share."""
    return EvaluationQueue()


@st.cache_resource(show_spinner=False)
def source_reader() -> SourceReader:
    """The one reader that all visitors share."""
    return SourceReader()


def visitor_token() -> str | None:
    """The token of a visitor who signed in on a Space; otherwise huggingface_hub's own, if any, is used."""
    return st.user.tokens["access"] if st.user.get("is_logged_in") else None


def visitor_id() -> str | None:
    """The name by which Hugging Face's sign-in knows a visitor who signed in on a Space."""
    return str(st.user["sub"]) if st.user.get("is_logged_in") else None


@st.cache_resource(ttl=60, max_entries=1, show_spinner=False)
def _read_local(evaluations: int) -> list[Entry]:
    """`evaluations`: how many have ended here, so that what they found is read at once."""
    return collect([*own_sources(), *shipped_sources()])


def _files_as_read(found: list[Entry]) -> str:
    """What tells entries from others: config and results are the same objects until their files change.

    One text is hashed faster than a part of each entry.
    """
    return str([(entry.reference, id(entry.config), id(entry.results)) for entry in found])


@st.cache_resource(max_entries=MAX_BOARDS, show_spinner=False, hash_funcs={list: _files_as_read})
def board_of(found: list[Entry]) -> Board:
    """The tables of these entries, which all visitors who look at the same ones share."""
    return Board(found)


def _read_others(sources: Sequence[str]) -> dict[str, list[Entry] | None]:
    """What each source has brought so far; None while it is late."""
    return source_reader().read(sources, visitor_token(), _evaluations())


def _evaluations() -> int:
    return sum(job.state == "done" for job in evaluation_queue().jobs)


@st.fragment(run_every=1.0)
def _show_late(sources: Sequence[str]) -> None:
    """Name the sources that are still being read, and show the page anew when one has come."""
    if any(found is not None for found in _read_others(sources).values()):
        st.rerun()
    st.info(t("Still reading: {names}", names=t(", ").join(map(as_text, sources))), icon=":material/hourglass_empty:")


def _named_sources() -> list[str]:
    return [*os.environ.get("AIGC_MODELS", "").split(), *st.session_state.get("add", [])]


def show_claims(references: Collection[str] | None = None) -> None:
    """A table of the figures that checkpoints claim, of those that cannot be used too; or of these references alone."""
    found = chain(_read_local(_evaluations()), *filter(None, _read_others(_named_sources()).values()))
    table = claimed([entry for entry in found if references is None or entry.reference in references])
    if not table:
        return
    st.subheader(t("Claimed, not measured"), anchor=False)
    st.caption(
        t(
            "What model cards and metric files state of their own models. Nobody measured it here, so that it is not "
            "ranked with what was."
        )
    )
    columns = {
        "checkpoint": t("Checkpoint"),
        "figure": t("Figure"),
        "value": t("Value"),
        "data": t("Data"),
        "file": t("Stated in"),
    }
    st.dataframe(pandas.DataFrame(table), hide_index=True, column_config=columns, key="claims")


def entries() -> list[Entry]:
    """All usable entries that are at hand; broken ones are named on the page with their reason, late ones as such.

    A link whose choices may need what is late waits for it.
    """
    sources = _named_sources()
    with st.spinner(t("Reading checkpoints …")):
        shipped, others = _read_local(_evaluations()), _read_others(sources)
    if late := [source for source, brought in others.items() if brought is None]:
        _show_late(late)
        if "opened" not in st.session_state and set(st.query_params) - {"add", "lang", "sign_in", "find"}:
            st.stop()
    st.session_state["opened"] = True
    found: dict[str, Entry] = {}
    for entry in chain(shipped, *filter(None, others.values())):
        found.setdefault(entry.reference, entry)
    broken = [entry for entry in found.values() if entry.problem]
    if broken:
        heading = t("Not shown, for a reason: {count}", count=len(broken))
        with st.expander(heading, icon=":material/warning:", expanded=len(broken) <= MAX_BROKEN):
            for entry in broken:
                st.warning(f"**{as_text(entry.reference)}**: {as_text(t(entry.problem))}")
    return [entry for entry in found.values() if not entry.problem]
