"""What a run must satisfy is found out before its first step, not when it is to save hours of work."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError
from aigc_core.files import translate_io_errors


def check_names(folder: Path, class_names: tuple[str, ...]) -> None:
    """Raise AIGCError for a run's folder or a class whose name is not text: files on a disk may have any bytes."""
    if not _is_text(str(folder)):
        raise AIGCError("The name {name} is not UTF-8; choose another --out.", name=os.fsencode(folder))
    for name in class_names:
        if not _is_text(name):
            raise AIGCError(
                "The name of the class {name} is not UTF-8, so no checkpoint can hold it; rename its folder.",
                name=os.fsencode(name),
            )


def try_to_save(checkpoint: StoredCheckpoint, folder: Path) -> None:
    """Write a checkpoint into the folder of a run, which is locked, open it as others will, and delete it again.

    What runs that were killed while they saved have left there is cleared away first. Raises AIGCError where a
    checkpoint of this run could not be written or would not open.
    """
    with translate_io_errors(folder):
        for unfinished in folder.glob(".step-*"):
            shutil.rmtree(unfinished)
    with translate_io_errors(folder), tempfile.TemporaryDirectory(prefix=".step-", dir=folder) as name:
        trial = Path(name)
        checkpoint.write_files(trial)
        StoredCheckpoint.read(trial)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
