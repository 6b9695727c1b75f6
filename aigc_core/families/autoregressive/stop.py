"""Texts that end after given words."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .steering import Steering


class Stop(Steering):
    """Ends a sample, with the token `end`, after the token that completes `stop` in what was drawn.

    What a prompt says ends nothing, but its last characters may be the first of `stop`. `text_of` decodes tokens.
    """

    def __init__(self, stop: str, text_of: Callable[[list[int]], str], end: int, rows: int) -> None:
        self._stop, self._text_of, self._end = stop, text_of, end
        self._reach = len(stop.encode())  # a token is a byte at least
        self._last: list[list[int]] = [[] for _ in range(rows)]
        self._said, self._drawing = torch.zeros(rows, dtype=torch.bool), False

    def see(self, tokens: Tensor) -> None:
        for row, token in enumerate(tokens.tolist()):
            last = self._last[row]
            last.append(token)
            del last[: -self._reach]
            if self._drawing and token != self._end:
                completes = self._stop in self._text_of(last) and self._stop not in self._text_of(last[:-1])
                self._said[row] |= completes

    def replace(self, chosen: Tensor) -> Tensor:
        self._drawing = True
        return chosen.masked_fill(self._said, self._end)
