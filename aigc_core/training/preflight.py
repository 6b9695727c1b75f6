"""Checks before the first step of a run, so that it does not fail when it saves hours of work."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError
from aigc_core.files import translate_io_errors


def check_names(folder: Path, data: str, class_names: tuple[str, ...]) -> None:
    """Raise AIGCError if the name of the folder, of the data or of a class is not Unicode: names of files may be any
    bytes."""
    if not _is_text(str(folder)):
        raise AIGCError("The name {name} is not UTF-8; choose another --out.", name=os.fsencode(folder))
    if not _is_text(data):
        raise AIGCError(
            "The name {name} is not UTF-8, so no checkpoint can hold it; rename it.", name=os.fsencode(data)
        )
    for name in class_names:
        if not _is_text(name):
            raise AIGCError(
                "The name of the class {name} is not UTF-8, so no checkpoint can hold it; rename its folder.",
                name=os.fsencode(name),
            )


def try_to_save(checkpoint: StoredCheckpoint, folder: Path) -> None:
    """Write a checkpoint into a run's folder, which is locked, open it as any reader would, and delete it again.

    First the unfinished folders of runs that were killed while saving are removed. Raises AIGCError if a checkpoint of
    this run cannot be written or does not open.
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
