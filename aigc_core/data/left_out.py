"""How a warning tells of files that are left out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from aigc_core.errors import SPACE, Sentence, joined

NAMED = 5
"""How many files, or kinds of files, a sentence names; the others are counted."""


def warn_of_left_out(said: Sentence, wrong: Sequence[str], count: int, stacklevel: int) -> None:
    """Warn of what was `wrong` with some of so many files, if anything was.

    `said`: a sentence with places for how many are {broken} of the {count}, and for the first NAMED of them, {named}.
    """
    if not wrong:
        return
    more = len(wrong) - NAMED
    counted = [Sentence("And {more:,} more.", more=more)] if more > 0 else []
    named = joined([*wrong[:NAMED], *counted], SPACE)
    warnings.warn(Sentence(said, broken=len(wrong), count=count, named=named), stacklevel=stacklevel + 1)


def and_others(named: str, others: int) -> str:
    """What is named and, if there are any, how many others."""
    return Sentence("{named} and {others:,} others", named=named, others=others) if others > 0 else named
