"""From the name of a checkpoint to its folder, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aigc_core.checkpoint.folder import local_checkpoint, missing_checkpoint
from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.conversion.convert import converted_file, converted_folder

from .client import pull


def resolve_reference(
    reference: str | Path | CheckpointReference,
    *,
    token: str | None = None,
    stated: Mapping[str, str] | None = None,
) -> Path:
    """The local folder of a reference: a folder, a folder@revision, a file, or a Hub id (pulled if need be).

    A folder of steps stands for its newest one, and what others made for the checkpoint that it is converted into;
    `stated`: what is said of it where its files are unclear. Raises AIGCError if there is no such checkpoint.
    """
    if not isinstance(reference, CheckpointReference):
        reference = CheckpointReference.parse(str(reference).strip())
    if folder := local_checkpoint(reference):
        return converted_folder(folder, stated) or folder
    if reference.file and (folder := converted_file(reference.file, stated)):
        return folder
    if reference.is_on_hub:
        return pull(reference.location, revision=reference.revision or None, token=token, stated=stated)
    raise missing_checkpoint(reference)
