"""Lines that begin with given letters: an acrostic (藏頭)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from .steering import Steering


class Acrostic(Steering):
    """Writes an opening, which is one or more tokens, at the beginning of each line, as long as there are openings.

    A line begins at the beginning and after tokens of `line_ends`, with the first token that is neither one of them nor
    the `end`: the sample itself decides where its lines end. Lines that a prompt begins take an opening as well.
    """

    def __init__(self, openings: Sequence[Sequence[int]], line_ends: Collection[int], end: int, rows: int) -> None:
        self._openings, self._between = openings, {*line_ends, end}
        self._lines, self._written = [0] * rows, [0] * rows
        self._fresh = [True] * rows

    def see(self, tokens: Tensor) -> None:
        for row, token in enumerate(tokens.tolist()):
            if token in self._between:
                self._fresh[row] = True
            elif self._fresh[row]:
                self._fresh[row], self._written[row] = False, 1
                self._lines[row] += 1
            else:
                self._written[row] += 1

    @property
    def unfinished(self) -> int:
        """How many samples have had fewer lines than there are openings."""
        return sum(lines < len(self._openings) for lines in self._lines)

    def replace(self, chosen: Tensor) -> Tensor:
        return torch.tensor([self._token(row, token) for row, token in enumerate(chosen.tolist())])

    def _token(self, row: int, drawn: int) -> int:
        line, written = self._lines[row], self._written[row]
        if self._fresh[row]:
            begins = drawn not in self._between and line < len(self._openings)
            return self._openings[line][0] if begins else drawn
        begun = self._openings[line - 1] if line <= len(self._openings) else ()
        return begun[written] if written < len(begun) else drawn
