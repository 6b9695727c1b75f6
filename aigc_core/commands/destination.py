"""The place that a command writes to."""

from __future__ import annotations

from pathlib import Path

from aigc_core.errors import AIGCError
from aigc_core.files import translate_io_errors


def destination(text: str) -> Path:
    """The path of a folder or file to write, as named on the command line.

    Raises AIGCError for an empty name, which would mean the working folder, and for one that no file can have.
    """
    if not text.strip():
        raise AIGCError("The name of the folder or file to write is empty.")
    path = Path(text)
    with translate_io_errors(path):
        path.exists()  # an OSError for a name that is too long, or lies in a folder that may not be read
    return path
