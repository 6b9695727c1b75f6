"""`characters`: a piece is a character that occurs in the training documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from aigc_core.errors import AIGCError, Sentence

from .base import MAX_PIECES, Tokenizer, tokenizers


class Characters(Tokenizer):
    """Piece k is character k of the vocabulary."""

    plural: ClassVar[str] = Sentence("characters")

    @classmethod
    def learn(cls, documents: Sequence[str], size: int) -> str:
        """All characters of the documents, sorted. Raises AIGCError if there are more than MAX_PIECES."""
        vocabulary = "".join(sorted(set().union(*documents)))
        if len(vocabulary) > MAX_PIECES:
            raise AIGCError(
                "The texts have {count:,} different characters, and a model at most {most:,}; use "
                "--set shape.tokenizer=bytes.",
                count=len(vocabulary),
                most=MAX_PIECES,
            )
        return vocabulary

    def __init__(self, vocabulary: str) -> None:
        self._characters = vocabulary
        self._numbers = {character: number for number, character in enumerate(vocabulary)}
        if len(self._numbers) < len(vocabulary):
            raise ValueError(Sentence("a character occurs twice in the vocabulary"))

    @property
    def size(self) -> int:
        return len(self._characters)

    def encode(self, text: str) -> list[int]:
        if unknown := sorted(set(text) - self._numbers.keys()):
            raise AIGCError(
                "The model has not learnt these characters: {characters}; leave them out.",
                characters="".join(unknown[:20]),
            )
        return [self._numbers[character] for character in text]

    def known_part(self, text: str) -> str:
        return "".join(character for character in text if character in self._numbers)

    def decode(self, pieces: Sequence[int]) -> str:
        return "".join(self._characters[piece] for piece in pieces)


tokenizers.register("characters", Characters)
