"""The layout of a checkpoint's folder: which files belong to it, and how large each may be.

FILE_KINDS is the whole list: nothing else is pushed to the Hub or fetched from it, and a new kind of file is one entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SAMPLES_FILE = "samples.png"
DIRECTIONS_FILE = "directions.safetensors"
CARD_FILE = "README.md"
RESULTS_FOLDER = "eval"
TRAINING_STATE_FOLDER = "training_state"
MAX_CONFIG_BYTES = 1_000_000


@dataclass(frozen=True)
class FileKind:
    """A kind of file in a checkpoint's folder.

    `path`: relative to the folder; `*` stands for letters, digits, `_`, `-` and, except at its start, dots.
    `max_bytes`: larger files are refused. `in_summary`: whether tables and curves need it, which read no weights.
    """

    path: str
    max_bytes: int
    in_summary: bool = False

    def matches(self, path: str) -> bool:
        """Whether a path, relative to the folder and with `/`, names a file of this kind."""
        pattern = re.escape(self.path).replace(r"\*", r"[\w-][\w.-]*")
        return re.fullmatch(pattern, path, re.ASCII) is not None


FILE_KINDS = (
    FileKind(CONFIG_FILE, MAX_CONFIG_BYTES, in_summary=True),
    FileKind(WEIGHTS_FILE, 4 * 2**30),
    FileKind("samples.*", 64 * 2**20),
    FileKind(DIRECTIONS_FILE, 2**30),
    FileKind(CARD_FILE, 4 * 2**20),
    FileKind(f"{RESULTS_FOLDER}/*.json", 16 * 2**20, in_summary=True),
)


def file_kind(path: str) -> FileKind | None:
    """The kind of the file that a path names, relative to the folder; None if it does not belong to a checkpoint."""
    return next((kind for kind in FILE_KINDS if kind.matches(path)), None)
