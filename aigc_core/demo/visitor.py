"""What a visitor may do and is told: their token on a Space, and errors as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from ..errors import AIGCError
from .language import t


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show the visitor the sentence of an AIGCError."""
    try:
        yield
    except AIGCError as error:
        raise gr.Error(t(error.sentence), print_exception=False) from None


def token_of(visitor: gr.OAuthToken | None) -> str | None:
    """The token of a visitor who signed in on a Space."""
    return visitor.token if visitor else None
