"""Short texts: one line is one sample, its characters are tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from aigc_core.data.dataset import Dataset
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write
from aigc_core.modalities.base import Media, Modality
from aigc_core.modalities.provenance import Provenance, Statement, sidecar

END = 0
"""The token that ends a text and fills the rest of its row."""


class ToyText(Modality):
    """Texts of at most `length` characters of the `vocabulary`: tokens int64 [N, length], character k being k + 1."""

    name: ClassVar[str] = "toy-text"
    plural: ClassVar[str] = "texts"
    media: ClassVar[Media] = "text"
    hub_task: ClassVar[str] = "text-generation"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    preview_file: ClassVar[str] = "samples.txt"
    vocabulary: str
    length: int

    @classmethod
    def load(cls, data: str, settings: Mapping[str, Any], limit: int | None = None) -> tuple[Self, Dataset]:
        lines = _lines(data)[:limit]
        found = {"vocabulary": "".join(sorted(set("".join(lines)))), "length": max(map(len, lines))}
        text = cls(**(found | settings))
        return text, text._dataset(data, lines)

    def load_split(self, data: str, split: str, limit: int | None = None) -> Dataset:
        return self._dataset(data, _lines(data)[:limit])

    def encode_prompt(self, text: str) -> Tensor:
        if unknown := set(text) - set(self.vocabulary):
            raise AIGCError(f"The model has not learnt the characters {''.join(sorted(unknown))}.")
        return torch.tensor([self.vocabulary.index(character) + 1 for character in text], dtype=torch.int64)

    def to_model(self, stored: Tensor) -> Tensor:
        return stored

    def to_stored(self, generated: Tensor) -> Tensor:
        return generated

    def texts(self, stored: Tensor) -> list[str]:
        return ["".join(self.vocabulary[token - 1] for token in row if token != END) for row in stored.tolist()]

    def has_collapsed(self, stored: Tensor) -> bool:
        return bool((stored == stored[:1]).all())

    def describe(self) -> str:
        return f"texts of up to {self.length} characters"

    def write(self, path: Path, stored: Tensor, statement: Statement, columns: int = 0) -> None:
        with atomic_write(path) as unfinished:
            unfinished.write_text("\n".join(self.texts(stored)) + "\n", encoding="utf-8")
        with atomic_write(sidecar(path)) as unfinished:
            unfinished.write_text(json.dumps(vars(Provenance.of(statement, stored))), encoding="utf-8")

    @classmethod
    def read_provenance(cls, path: Path) -> Provenance:
        if not sidecar(path).is_file():
            raise AIGCError(f"'{path}' does not say where it comes from.")
        return Provenance.parse(json.loads(sidecar(path).read_text(encoding="utf-8")))

    def verify(self, path: Path, draw: Callable[[], Tensor], count: int) -> str:
        if path.read_text(encoding="utf-8") != "\n".join(self.texts(draw())) + "\n":
            raise AIGCError("The text does not match: it was changed after it was made.")
        return "text: made again, and it matches"

    def _dataset(self, data: str, lines: list[str]) -> Dataset:
        rows = torch.full((len(lines), self.length), END)
        for row, line in zip(rows, lines):
            row[: len(line)] = self.encode_prompt(line)
        return Dataset(data, rows, torch.zeros(len(lines), dtype=torch.int64), (), "", "a text file")


def _lines(data: str) -> list[str]:
    path = Path(data)
    if not path.is_file():
        raise AIGCError(f"There is no text file '{data}'.")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
