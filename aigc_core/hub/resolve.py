"""From the name of a checkpoint to its local folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aigc_core.access import is_public
from aigc_core.checkpoint.folder import checkpoints_near, local_checkpoint, missing_checkpoint, no_longer_shipped
from aigc_core.checkpoint.reference import DATASETS, CheckpointReference
from aigc_core.conversion.convert import converted_file, converted_folder
from aigc_core.errors import Sentence

from .faults import HubUnreachable, NotOnHub
from .files import samples_alone
from .pull import pull


def resolve_reference(
    reference: str | Path | CheckpointReference,
    *,
    token: str | None = None,
    stated: Mapping[str, str] | None = None,
) -> Path:
    """The local folder of a reference: a folder, folder@revision, a file, or a name on the Hub, which is pulled.

    A folder of steps stands for its newest one, and a model of another tool for the checkpoint that it is converted
    into; `stated`: facts about such a model that its files leave open. Raises AIGCError if there is no such checkpoint.
    """
    if not isinstance(reference, CheckpointReference):
        reference = CheckpointReference.parse(str(reference).strip())
    if folder := local_checkpoint(reference):
        return converted_folder(folder, stated) or folder
    if reference.file and (folder := converted_file(reference.file, stated)):
        return folder
    if retired := no_longer_shipped(reference):
        raise retired
    if reference.is_on_hub and reference.location.startswith(DATASETS):
        raise samples_alone(str(reference))
    if reference.is_on_hub:
        with folder_asked_for_too(reference):
            return pull(reference.location, revision=reference.revision or None, token=token, stated=stated)
    raise missing_checkpoint(reference)


@contextmanager
def folder_asked_for_too(reference: CheckpointReference) -> Iterator[None]:
    """If OWNER/NAME is not found on the Hub, begin the error by saying that it is no folder here either: it may be a
    misspelt one. On a public server, a name can only be meant for the Hub."""
    try:
        yield
    except (HubUnreachable, NotOnHub) as error:
        if is_public():
            raise
        near = checkpoints_near(reference)
        sentence = Sentence(
            "There is no folder '{folder}' here{near}; on the Hub, {error}",
            folder=reference.location,
            near=Sentence(" (near it are {near})", near=", ".join(near)) if near else "",
            error=error,
        )
        raise type(error)(sentence.template, **sentence.values) from None
