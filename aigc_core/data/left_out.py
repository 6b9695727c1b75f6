"""How a warning lists what was wrong with files that are left out."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 5
"""How many files, or kinds of files, a sentence names; the others are counted."""


def listed(sentences: Sequence[str]) -> str:
    """The first NAMED of these sentences, and how many more there are."""
    more = len(sentences) - NAMED
    return " ".join(sentences[:NAMED]) + (f" And {more:,} more." if more > 0 else "")
