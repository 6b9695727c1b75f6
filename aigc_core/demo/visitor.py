"""What a visitor may do and is told: their token on a Space, and errors as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from ..errors import AIGCError, user_error
from .language import t


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show the visitor the sentence of an AIGCError, or of a file that the system refuses."""
    try:
        yield
    except (AIGCError, OSError) as error:
        if (known := user_error(error)) is None:
            raise
        raise gr.Error(t(known.sentence), print_exception=False) from None


def token_of(visitor: gr.OAuthToken | None) -> str | None:
    """The token of a visitor who signed in on a Space."""
    return visitor.token if visitor else None
