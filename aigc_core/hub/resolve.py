"""From the name of a checkpoint to its folder, wherever it lies."""

from __future__ import annotations

from pathlib import Path

from aigc_core.checkpoint.folder import local_checkpoint, missing_checkpoint
from aigc_core.checkpoint.reference import CheckpointReference

from .client import pull


def resolve_reference(reference: str | Path | CheckpointReference, *, token: str | None = None) -> Path:
    """The local folder of a reference: a folder, a folder@revision, or a Hub id (pulled if need be).

    A folder of steps stands for its newest one. Raises AIGCError if there is no such checkpoint.
    """
    if not isinstance(reference, CheckpointReference):
        reference = CheckpointReference.parse(str(reference).strip())
    if folder := local_checkpoint(reference):
        return folder
    if reference.is_on_hub:
        return pull(reference.location, revision=reference.revision or None, token=token)
    raise missing_checkpoint(reference)
