"""Texts: tokens int64 [N, T], filed as plain text with what they are in a JSON file beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from aigc_core.config import Config, parse_config
from aigc_core.data.corpora import Corpus, load_corpus
from aigc_core.data.dataset import Dataset
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

from .base import Layout, Media, Modality, modalities
from .provenance import PRODUCER, Provenance, Statement
from .tokenizers.base import MAX_PIECES, Tokenizer, tokenizers

END = 0
"""The token that ends a text and fills the rest of its row."""
SEPARATOR = "\n\n"
"""Between the texts of one file."""
MAX_VOCABULARY = 300_000
Suffix = Literal[".txt", ".py"]


class TextSettings(Config):
    """What a recipe may say of the shape. `vocabulary_size`: how many tokens a tokenizer that learns them learns at
    most, the end included. `suffix`: of the files that samples are written to. `verse`: the lines are those of poems,
    and a page sets them so.

    Documents of more than `length` − 1 tokens are read in windows that overlap by about half and begin with a paragraph
    where they can.
    """

    tokenizer: str = "characters"
    vocabulary_size: int = Field(default=1024, ge=258, le=MAX_PIECES)
    length: int = Field(default=256, ge=2, le=4096)
    suffix: Suffix = ".txt"
    verse: bool = False


class TextModality(Modality):
    """Texts of at most `length` tokens: token k is piece k − 1 of the tokenizer, built from the `vocabulary`."""

    name: ClassVar[str] = "text"
    plural: ClassVar[str] = "texts"
    media: ClassVar[Media] = "text"
    hub_task: ClassVar[str] = "text-generation"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".py")
    preview_file: ClassVar[str] = "samples.txt"
    tokenizer: str = "characters"
    vocabulary: str = Field(default="", max_length=MAX_VOCABULARY)
    length: int = Field(ge=2, le=4096)
    suffix: Suffix = ".txt"
    verse: bool = False

    @model_validator(mode="after")
    def _can_be_built(self) -> TextModality:
        if self._pieces.size > MAX_PIECES:  # building raises ValueError for a wrong vocabulary
            raise ValueError(f"there are more than {MAX_PIECES:,} different tokens")
        return self

    @property
    def file_suffix(self) -> str:
        return self.suffix

    @cached_property
    def _pieces(self) -> Tokenizer:
        return tokenizers[self.tokenizer](self.vocabulary)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are, the end included."""
        return 1 + self._pieces.size

    @classmethod
    def load(cls, data: str, settings: Mapping[str, Any], limit: int | None = None) -> tuple[Self, Dataset]:
        known = {name: value for name, value in settings.items() if name != "vocabulary"}
        wanted = parse_config(TextSettings, known, "The shape of texts")
        corpus = load_corpus(data, "train", limit)
        vocabulary = settings.get("vocabulary")
        if vocabulary is None:
            vocabulary = tokenizers[wanted.tokenizer].learn(corpus.documents, wanted.vocabulary_size - 1)
        shape = {
            "tokenizer": wanted.tokenizer,
            "vocabulary": vocabulary,
            "length": wanted.length,
            "suffix": wanted.suffix,
            "verse": wanted.verse,
        }
        text = parse_config(cls, shape, f"Texts of '{data}'")
        return text, text._dataset(corpus)

    def load_split(self, data: str, split: str, limit: int | None = None) -> Dataset:
        return self._dataset(load_corpus(data, split, limit))

    def _dataset(self, corpus: Corpus) -> Dataset:
        rows, labels = [], []
        for document, label in zip(corpus.documents, corpus.labels):
            tokens = torch.tensor(self.tokens_of(document, skip_unknown=True) + [END])
            windows = [tokens[start : start + self.length] for start in self._window_starts(tokens)]
            rows += [torch.nn.functional.pad(window, (0, self.length - len(window)), value=END) for window in windows]
            labels += [label] * len(windows)
        classes = torch.tensor(labels, dtype=torch.int64)
        return Dataset(corpus.name, torch.stack(rows), classes, corpus.class_names, corpus.licence, corpus.source)

    def _window_starts(self, tokens: Tensor) -> list[int]:
        """Every half window, or where the next paragraph begins if one does before the half window after."""
        stride = max(1, self.length // 2)
        fixed = torch.arange(0, max(1, len(tokens) - stride), stride)
        line_ends, paragraph_ends, newlines = self._breaks
        previous, last = tokens[:-2], tokens[1:-1]
        begins = torch.nonzero(paragraph_ends[last] | newlines[last] & line_ends[previous]).flatten() + 2
        following = torch.cat([begins, torch.tensor([len(tokens)])])[torch.searchsorted(begins, fixed)]
        return torch.where((following < fixed + stride) & (fixed > 0), following, fixed).tolist()

    @cached_property
    def _said(self) -> list[str]:
        """What each token says by itself; the end says nothing."""
        return ["", *(self._pieces.decode([piece]) for piece in range(self._pieces.size))]

    @cached_property
    def _breaks(self) -> tuple[Tensor, Tensor, Tensor]:
        """Which tokens end a line, which a paragraph, and which are a newline by themselves, bool [vocabulary]."""
        kinds = [[piece.endswith("\n"), piece.endswith("\n\n"), piece == "\n"] for piece in self._said]
        line_ends, paragraph_ends, newlines = torch.tensor(kinds).unbind(1)
        return line_ends, paragraph_ends, newlines

    def tokens_of(self, text: str, skip_unknown: bool = False) -> list[int]:
        """The tokens of a text. Raises AIGCError for what the tokenizer does not know, unless it is to be left out."""
        return [piece + 1 for piece in self._pieces.encode(text, skip_unknown)]

    @cached_property
    def line_ends(self) -> list[int]:
        """The tokens that a line ends with: line breaks, and in verse punctuation marks."""
        ends = tuple("\n，。！？；、,.!?;:" if self.verse else "\n")
        return [token for token, piece in enumerate(self._said) if piece.endswith(ends)]

    def texts(self, stored: Tensor) -> list[str]:
        """What tokens int64 [N, T] say; bytes that are no UTF-8 become the replacement character."""
        rows = [row[: row.index(END)] if END in row else row for row in stored.tolist()]
        return [self._pieces.decode([token - 1 for token in row]) for row in rows]

    @property
    def layout(self) -> Layout:
        if self.suffix == ".py":
            return "code"
        return "verse" if self.verse else "prose"

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        said = iter(self._pieces.parts([token - 1 for token in tokens if token != END]))
        return ["" if token == END else next(said) for token in tokens]

    def ending(self, text: str, count: int) -> str:
        tokens = self._pieces.encode(text, skip_unknown=True)[-count:]
        return self._pieces.decode(tokens).lstrip("\N{REPLACEMENT CHARACTER}")

    def encode_prompt(self, text: str) -> Tensor:
        tokens = self.tokens_of(text)
        if len(tokens) >= self.length:
            raise AIGCError(
                "The prompt has {count:,} tokens, and a text {most:,} at most; shorten it.",
                count=len(tokens),
                most=self.length,
            )
        return torch.tensor(tokens, dtype=torch.int64)

    def to_model(self, stored: Tensor) -> Tensor:
        return stored

    def to_stored(self, generated: Tensor) -> Tensor:
        return generated

    def has_collapsed(self, stored: Tensor) -> bool:
        return len(stored) > 1 and bool((stored == stored[:1]).all())

    def describe(self) -> str:
        return f"texts of up to {self.length} {self._pieces.plural}"

    def write(self, path: Path, stored: Tensor, statement: Statement, columns: int = 0) -> None:
        text = _first_line(path, statement.request, statement.weights) + self._joined(stored)
        with atomic_write(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="\n")
        with atomic_write(sidecar(path)) as unfinished:
            unfinished.write_text(json.dumps(vars(Provenance.of(statement, stored)), indent=2), encoding="utf-8")

    def _joined(self, stored: Tensor) -> str:
        return SEPARATOR.join(self.texts(stored)) + "\n"

    @classmethod
    def read_provenance(cls, path: Path) -> Provenance:
        beside = sidecar(path)
        if not beside.is_file():
            raise AIGCError(
                "'{name}' does not say where it comes from: there is no '{beside}'.", name=path, beside=beside
            )
        try:
            return Provenance(**json.loads(beside.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            raise AIGCError("What '{name}' says of where it comes from is damaged.", name=path) from None

    def verify(self, path: Path, draw: Callable[[], Tensor], count: int) -> str:
        said = self.read_provenance(path)
        written = path.read_bytes().decode(errors="replace")  # a model may have drawn a carriage return
        if written != _first_line(path, said.request, said.weights) + self._joined(draw()):
            raise AIGCError("The text does not match: it was changed after it was made.")
        return "text: made again, and it matches"


def _first_line(path: Path, request: str, weights: str) -> str:
    """What code says of itself in a comment, a line; nothing in other texts."""
    if path.suffix.lower() != ".py":
        return ""
    said = f"# AI-generated by {PRODUCER}, request {request}, weights sha256 {weights}"
    return " ".join(said.splitlines()) + "\n"


def up_to_end(tokens: Tensor, end: int = END) -> Tensor:
    """Which tokens [N, T] are a text's: bool [N, T], those before its end and the end itself."""
    ended = tokens == end
    return ended.cumsum(1) - ended.int() == 0


def text_kind(modality: Modality) -> TextModality:
    """The modality, if it is that of texts. Raises AIGCError if it is another."""
    if not isinstance(modality, TextModality):
        raise AIGCError(
            "This is for models of texts, and this one's samples are of the kind '{kind}'.", kind=modality.name
        )
    return modality


def sidecar(path: Path) -> Path:
    """The file that says where a text comes from."""
    return path.with_name(path.name + ".json")


modalities.register(TextModality.name, TextModality)
