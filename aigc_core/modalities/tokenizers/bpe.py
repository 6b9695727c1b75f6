"""`bpe`: pieces of words, by byte-pair encoding (Sennrich et al. 2016) of UTF-8 (Radford et al. 2019)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import ClassVar

from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from aigc_core.errors import Sentence

from .base import Tokenizer, tokenizers
from .bytes import decoded_in_turn

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
"""The 256 letters that the library writes for bytes; pieces 0 to 255."""
PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
"""Bytes that stand for themselves as letters; the others follow (Radford et al. 2019, `bytes_to_unicode`)."""
BYTE_OF = dict(zip(BYTES, [*PRINTED, *(byte for byte in range(256) if byte not in PRINTED)], strict=True))
MAX_PIECE_BYTES = 32
_merges = re.compile(r"(\d{1,5} \d{1,5}(,\d{1,5} \d{1,5})*)?")


class BytePairs(Tokenizer):
    """Every text can be written: the first 256 pieces are bytes, and each further one joins two before it.

    The vocabulary lists the merges in the order they are applied, `LEFT RIGHT,LEFT RIGHT` by the numbers of the pieces.
    """

    plural: ClassVar[str] = Sentence("pieces of words")

    @classmethod
    def learn(cls, documents: Sequence[str], size: int) -> str:
        """The most frequent merges of the documents, as many as make `size` pieces or as there are."""
        library = _library(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=BYTES, max_token_length=MAX_PIECE_BYTES, show_progress=False
        )
        library.train_from_iterator((_utf8(document) for document in documents), trainer)
        learnt, numbers = _merges_of(library), {letter: number for number, letter in enumerate(BYTES)}
        written = []
        for left, right in learnt:
            written.append(f"{numbers[left]} {numbers[right]}")
            numbers.setdefault(left + right, len(numbers))
        return ",".join(written)

    def __init__(self, vocabulary: str) -> None:
        if not _merges.fullmatch(vocabulary):
            raise ValueError(Sentence("the vocabulary is no list of merges"))
        pairs = [tuple(map(int, merge.split(" "))) for merge in vocabulary.split(",") if merge]
        if len(set(pairs)) < len(pairs):
            raise ValueError(Sentence("a merge occurs twice in the vocabulary"))
        pieces = list(BYTES)
        numbers = {letter: number for number, letter in enumerate(BYTES)}
        merges = []
        for left, right in pairs:
            if max(left, right) >= len(pieces):
                raise ValueError(Sentence("a merge joins pieces that are not there yet"))
            merges.append((pieces[left], pieces[right]))
            joined = pieces[left] + pieces[right]
            if len(joined) > MAX_PIECE_BYTES:
                raise ValueError(Sentence("a piece is longer than {limit} bytes", limit=MAX_PIECE_BYTES))
            if joined not in numbers:  # two merges may lead to the same piece
                numbers[joined] = len(pieces)
                pieces.append(joined)
        self._size = len(pieces)
        self._bytes = [bytes(BYTE_OF[letter] for letter in piece) for piece in pieces]
        self._library = _library(models.BPE(numbers, merges))

    @property
    def size(self) -> int:
        return self._size

    def encode(self, text: str) -> list[int]:
        return self._library.encode(_utf8(text)).ids

    def decode(self, pieces: Sequence[int]) -> str:
        return self._library.decode(list(pieces))

    def parts(self, pieces: Sequence[int]) -> list[str]:
        return decoded_in_turn([self._bytes[piece] for piece in pieces])


def _library(model: models.BPE) -> Library:
    library = Library(model)
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    return library


def _merges_of(library: Library) -> list[tuple[str, str]]:
    """The merges of a tokenizer, read from its JSON: the library gives them in no other way."""
    return [(left, right) for left, right in json.loads(library.to_str())["model"]["merges"]]


def _utf8(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 cannot hold."""
    return text.encode(errors="replace").decode()


tokenizers.register("bpe", BytePairs)
