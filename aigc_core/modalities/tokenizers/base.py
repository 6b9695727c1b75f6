"""The contract of tokenizers: a text as numbers of its pieces, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from aigc_core.registry import Registry

MAX_PIECES = 20_000
"""The most tokens that a model may have."""


class Tokenizer(ABC):
    """Cuts texts into pieces, which are numbered from 0.

    `plural`: what several pieces are called. A tokenizer is built from its vocabulary as text, which a checkpoint
    keeps; building raises ValueError, saying what is wrong, for text that `learn` does not write.
    """

    plural: ClassVar[str]

    @classmethod
    def learn(cls, documents: Sequence[str], size: int) -> str:
        """The vocabulary of documents, which depends on them alone; at most `size` pieces if pieces are learnt."""
        return ""

    @abstractmethod
    def __init__(self, vocabulary: str) -> None: ...

    @property
    @abstractmethod
    def size(self) -> int:
        """How many different pieces there are."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The pieces of a text. Raises AIGCError for a part that has none; `known_part` leaves such parts out."""

    def known_part(self, text: str) -> str:
        """A text without the characters that have no piece."""
        return text

    @abstractmethod
    def decode(self, pieces: Sequence[int]) -> str:
        """The text of pieces; bytes that are not UTF-8 become the replacement character."""

    def parts(self, pieces: Sequence[int]) -> list[str]:
        """The text that each piece adds; joined, they are the result of `decode`."""
        return [self.decode([piece]) for piece in pieces]


tokenizers: Registry[type[Tokenizer]] = Registry("tokenizer", "aigc_core.modalities.tokenizers")
