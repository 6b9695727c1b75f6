"""The app's texts in the language of the visitor's browser; English is the key."""

from __future__ import annotations

import gradio as gr
from gradio.context import LocalContext

from ..translation import chinese, translate

_chinese = {english: translation for english, translation in chinese().items() if "{" not in english}
text = gr.I18n(en={english: english for english in _chinese}, zh=_chinese, **{"zh-CN": _chinese, "zh-TW": _chinese})
"""Texts of components, which the browser translates."""


def t(sentence: str, **values: object) -> str:
    """A sentence that the server puts into a message or into HTML, in the first language of the visitor's browser."""
    return translate(sentence, page_language(), **values)


def page_language() -> str:
    """The one of LANGUAGES that the visitor of this event reads."""
    # Gradio hands the request of an event to parameters of its handler; below it, only this holds it.
    request = LocalContext.request.get(None)
    return "zh" if request and request.headers.get("accept-language", "").startswith("zh") else "en"
