"""References to checkpoints: `folder | owner/name`, either with `@revision`, and `file`.

    owner/name             a repository on the Hub, or the folder `name` where there is a folder `owner` here
    owner/name@REVISION    a branch, a tag or a commit of it
    datasets/owner/name    a data set on the Hub, whose images are samples alone
    FOLDER                 a checkpoint; of a run its newest step
    FOLDER@step-0001000    one of its steps; FOLDER@main is FOLDER
    FOLDER@                FOLDER, where the end of its name could be taken for a revision
    FILE                   a model that others made, such as FILE.onnx; it has no revisions

An @ belongs to a name where such a folder or file exists. The Unicode forms NFC and NFD of a name are one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

MAIN = "main"
step_name = re.compile(r"step-(\d{1,12})", re.ASCII)
"""A run's folder of a training step, and the revision that it becomes on the Hub."""
seed_name = re.compile(r"seed-(\d{1,10})", re.ASCII)
"""The folder of a run in the folder of its recipe: `seed-1` was trained with the seed 1."""
repo_name = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""OWNER/NAME, as the Hub names a repository."""
DATASETS = "datasets/"
hub_name = re.compile(rf"({DATASETS})?{repo_name.pattern}", re.ASCII)
"""The same of a model or, as in its address, of a data set."""


@dataclass(frozen=True)
class CheckpointReference:
    """`location`: a folder, a file or OWNER/NAME. `revision`: empty if the reference names none."""

    location: str
    revision: str = ""

    @classmethod
    def parse(cls, text: str) -> CheckpointReference:
        """Read a reference. Every text is one; only this machine's files are looked at, never the Hub."""
        if spelling := _spelling_here(text, files=True):
            return cls(spelling)
        location, at, revision = text.rpartition("@")
        if at and "/" not in revision and (spelling := _spelling_here(location)):
            return cls(spelling, revision)
        return cls(*_split(text))

    def __str__(self) -> str:
        """The text that `parse` reads as this reference."""
        head, at, tail = self.location.rpartition("@")
        looks_split = bool(at) and "/" not in tail and _spelling_here(head) != ""
        plain = not self.revision and _split(self.location) == (self.location, "") and not looks_split
        return self.location if plain or (self.file and not self.revision) else f"{self.location}@{self.revision}"

    @property
    def folder(self) -> Path | None:
        """The folder at the location, without the revision, if it exists."""
        spelling = _spelling_here(self.location)
        return Path(spelling).expanduser() if spelling else None

    @property
    def file(self) -> Path | None:
        """The file at the location, if it is one."""
        spelling = _spelling_here(self.location, files=True)
        path = Path(spelling).expanduser()
        return path if spelling and not path.is_dir() else None

    @property
    def is_on_hub(self) -> bool:
        """Whether it names something on the Hub: it has the form OWNER/NAME or datasets/OWNER/NAME, and there is no
        folder OWNER here."""
        return bool(hub_name.fullmatch(self.location)) and not Path(self.location).parent.is_dir()

    @property
    def name(self) -> str:
        """The last part of the location."""
        return Path(self.location).name


def published_reference(text: str) -> str:
    """A reference to publish: of a folder on this machine, only its name."""
    reference = CheckpointReference.parse(text)
    return text if hub_name.fullmatch(reference.location) else str(replace(reference, location=reference.name))


def step_number(revision: str) -> int | None:
    """The training step of a revision `step-…`; None for any other."""
    numbered = step_name.fullmatch(revision)
    return int(numbered.group(1)) if numbered else None


def _split(text: str) -> tuple[str, str]:
    """Location and revision of a text that names no folder here: revisions of a folder are its steps, and a revision on
    the Hub has no @ in it."""
    location, _, revision = text.partition("@")
    if hub_name.fullmatch(location) and "@" not in revision:
        return location, revision
    location, at, revision = text.rpartition("@")
    if at and (revision in ("", MAIN) or step_number(revision) is not None):
        return location, revision
    return text, ""


def _spelling_here(location: str, files: bool = False) -> str:
    """A folder's name, or a file's, in the Unicode form that it has on this machine; empty if there is none."""
    for spelling in (location, normalize("NFC", location), normalize("NFD", location)):
        try:
            path = Path(spelling).expanduser()
            if location and (path.is_dir() or (files and path.is_file())):
                return spelling
        except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or of an unknown user
            return ""
    return ""
