"""`bytes`: a piece is a byte of UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import ClassVar

from aigc_core.errors import Sentence

from .base import Tokenizer, tokenizers


class Bytes(Tokenizer):
    """Piece k is byte k; half of a surrogate pair, which UTF-8 does not have, becomes a question mark."""

    plural: ClassVar[str] = Sentence("bytes")

    def __init__(self, vocabulary: str) -> None:
        if vocabulary:
            raise ValueError(Sentence("the vocabulary of bytes is empty"))

    @property
    def size(self) -> int:
        return 256

    def encode(self, text: str) -> list[int]:
        return list(text.encode(errors="replace"))

    def decode(self, pieces: Sequence[int]) -> str:
        return bytes(pieces).decode(errors="replace")

    def parts(self, pieces: Sequence[int]) -> list[str]:
        return decoded_in_turn([bytes([piece]) for piece in pieces])


def decoded_in_turn(chunks: Sequence[bytes]) -> list[str]:
    """The text that each chunk of UTF-8 adds; a character is added with the last of its bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return [decoder.decode(chunk, final=number == len(chunks)) for number, chunk in enumerate(chunks, 1)]


tokenizers.register("bytes", Bytes)
