"""The contract of tokenizers: texts as numbers from 0 on, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from aigc_core.registry import Registry

MAX_PIECES = 20_000
"""So many tokens a model has at most."""


class Tokenizer(ABC):
    """What cuts a text into pieces, which are numbered from 0.

    `plural`: what several pieces are called. A tokenizer is built from its vocabulary as text, which a checkpoint
    keeps; building raises ValueError, saying what is wrong, for text that `learn` does not write.
    """

    plural: ClassVar[str]

    @classmethod
    def learn(cls, documents: Sequence[str], size: int) -> str:
        """The vocabulary of documents, the same whenever they are; one that learns pieces learns at most `size`."""
        return ""

    @abstractmethod
    def __init__(self, vocabulary: str) -> None: ...

    @property
    @abstractmethod
    def size(self) -> int:
        """How many different pieces there are."""

    @abstractmethod
    def encode(self, text: str, skip_unknown: bool = False) -> list[int]:
        """The pieces of a text. Raises AIGCError for what has none, unless that is to be left out."""

    @abstractmethod
    def decode(self, pieces: Sequence[int]) -> str:
        """What pieces say; bytes that are no UTF-8 become the replacement character."""

    def parts(self, pieces: Sequence[int]) -> list[str]:
        """What each piece adds to the text: joined, they are what `decode` says."""
        return [self.decode([piece]) for piece in pieces]


tokenizers: Registry[type[Tokenizer]] = Registry("tokenizer", "aigc_core.modalities.tokenizers")
