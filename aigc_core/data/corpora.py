"""Collections of documents: a text file, a folder of them, or a named set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import named_path
from aigc_core.registry import Registry

from .left_out import warn_of_left_out
from .listing import files_in, warn_of_others

SUFFIXES = (".txt", ".md", ".py")
MAX_BYTES = 2**28
TEST_SHARE = 0.1
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Corpus:
    """Documents and their classes, by number; no names where there are none.

    `origins`: what each document was cut from, where several were cut from one; those of one fall into the same split.
    """

    name: str
    documents: list[str]
    labels: list[int]
    class_names: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    origins: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class NamedCorpus:
    """`read` gives all documents and raises AIGCError where they are not on this machine; `fetch` puts them there."""

    read: Callable[[], Corpus]
    fetch: Callable[[], None] = lambda: None


named_corpora: Registry[NamedCorpus] = Registry("corpus", "aigc_core.data.named_corpora")


def load_corpus(name: str, split: str, limit: int | None = None) -> Corpus:
    """The documents of a split, or the first `limit` of them.

    A document belongs to the test split by a hash of its text or of its origin, a tenth of all; a collection of one
    document is cut, and its last tenth is the test split. Of a folder, files that are no text are left out with a
    warning. Raises AIGCError where there are no such data, or none that are text.
    """
    corpus = named_corpora[name].read() if name in named_corpora else _read(named_path(name))
    if len(corpus.documents) == 1:
        (text,) = corpus.documents
        cut = round(len(text) * (1 - TEST_SHARE))
        pairs = [(text[:cut] if split == "train" else text[cut:], corpus.labels[0])]
    else:
        pairs = [
            (document, label)
            for document, label, origin in zip(corpus.documents, corpus.labels, corpus.origins or corpus.documents)
            if _is_test(origin) == (split == "test")
        ]
    pairs = pairs[:limit]
    if not any(document for document, _ in pairs):
        raise AIGCError("'{name}' has too little text for a split '{split}'.", name=name, split=split)
    documents, labels = [document for document, _ in pairs], [label for _, label in pairs]
    return Corpus(corpus.name, documents, labels, corpus.class_names, corpus.licence, corpus.source)


def _is_test(origin: str) -> bool:
    return hashlib.sha256(origin.encode(errors="replace")).digest()[0] < 256 * TEST_SHARE


def _read(path: Path) -> Corpus:
    if os.path.isfile(path):
        files = [path]
    elif os.path.isdir(path):
        files, ignored = files_in(path, SUFFIXES)
        if not files:
            raise AIGCError("'{name}' holds no {kinds} files.", name=path, kinds=", ".join(SUFFIXES))
        said = Sentence("{others:,} files beside the {count:,} texts in '{folder}' are left out: {kinds}.")
        warn_of_others(said, ignored, len(files), path, stacklevel=3)
    else:
        raise AIGCError("There is no file or folder '{name}'.", name=path)
    documents = _texts(path, files)
    return Corpus(str(path), documents, [0] * len(documents), source="text files")


def _texts(path: Path, files: Sequence[Path]) -> list[str]:
    """The texts of files; those that cannot be used are left out with a warning, and empty ones without.

    Raises AIGCError where none of the files can be used, and, before they are read, where all are too large.
    """
    if sum(file.stat().st_size for file in files) > MAX_BYTES:
        raise AIGCError("The texts are over {most:,} bytes in all; name fewer files.", most=MAX_BYTES)
    texts, left_out = [], []
    for file in files:
        try:
            texts.append(_text(file))
        except AIGCError as error:
            left_out.append(error)
    if not texts:
        raise left_out[0]
    said = Sentence("{broken:,} of {count:,} texts were left out: {named}")
    warn_of_left_out(said, [error.sentence for error in left_out], len(files), stacklevel=4)
    return [text for text in texts if text.strip()]


def _text(file: Path) -> str:
    """The text of a file. Raises AIGCError where it cannot be read or is not in UTF-8."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise AIGCError("'{name}' cannot be read ({reason}).", name=file, reason=error.strerror) from None
    except UnicodeDecodeError as error:
        raise AIGCError(
            "'{name}' is not a text in UTF-8 (byte {position:,}); convert it or leave it out.",
            name=file,
            position=error.start,
        ) from None
    if "\0" in text:
        raise AIGCError("'{name}' is not a text: it has zero bytes.", name=file)
    return text.replace("\r\n", "\n")
