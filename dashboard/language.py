"""The dashboard's language: a switch, and its sentences in it. English sentences are the keys."""

import streamlit as st

from aigc_core.translation import LANGUAGES, translate


def choose_language() -> None:
    """The switch. A link opens in the language it was made in (`lang`), any other address in the browser's."""
    if "language" not in st.session_state:
        from_browser = "zh" if (st.context.locale or "").startswith("zh") else "en"
        asked = st.query_params.get("lang", "")
        st.session_state["language"] = asked if asked in LANGUAGES else from_browser
    language = st.segmented_control(
        "Language · 语言",
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        required=True,
        key="language",
        persist_state="session",
        label_visibility="collapsed",
    )
    if st.query_params.get("lang") != language:
        st.query_params["lang"] = language or "en"


def t(sentence: str, **values: object) -> str:
    """A sentence in the visitor's language, with its places filled."""
    return translate(sentence, st.session_state["language"], **values)
