"""The checkpoints a page shows: those that ship and those the visitor added."""

import os

import streamlit as st

from aigc_core.leaderboard import Entry, collect, shipped_references


@st.cache_data(ttl=60, show_spinner="Reading checkpoints …")
def _collect(references: tuple[str, ...], token: str | None) -> list[Entry]:
    return collect(references, token)


def visitor_token() -> str | None:
    """The token of a visitor who signed in on a Space; otherwise huggingface_hub's own, if any, is used."""
    return st.user.tokens["access"] if st.user.get("is_logged_in") else None


def entries() -> list[Entry]:
    """All usable entries; broken ones are named on the page with their reason."""
    added = [line.strip() for line in st.session_state.get("added", "").splitlines() if line.strip()]
    st.query_params["add"] = added
    deployed_with = os.environ.get("AIGC_MODELS", "").split()
    found = _collect((*shipped_references(), *deployed_with, *added), visitor_token())
    for entry in found:
        if entry.problem:
            st.warning(f"**{entry.reference}** cannot be shown: {entry.problem}", icon=":material/warning:")
    return [entry for entry in found if not entry.problem]
