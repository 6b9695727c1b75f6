"""How a warning lists what was wrong with files that are left out."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_core.errors import SPACE, Sentence, joined

NAMED = 5
"""How many files, or kinds of files, a sentence names; the others are counted."""


def listed(sentences: Sequence[str]) -> str:
    """The first NAMED of these sentences, one at least, and how many more there are."""
    more = len(sentences) - NAMED
    counted = [Sentence("And {more:,} more.", more=more)] if more > 0 else []
    return joined([*sentences[:NAMED], *counted], SPACE)
