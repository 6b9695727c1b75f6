"""The checkpoints on the Hub: those of an owner, of a collection, or all that carry this library's tag."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from aigc_core.checkpoint.reference import repo_name
from aigc_core.errors import AIGCError

from . import TAG
from .client import hub_client, in_readers
from .faults import faults_as_sentences

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

MAX_LISTED = 1000


@dataclass(frozen=True)
class HubEntry:
    """A repository on the Hub that holds a checkpoint: `commit` of its main branch, `updated` in ISO 8601."""

    repo_id: str
    commit: str
    updated: str
    private: bool


def list_checkpoints(
    owner: str | None = None, tag: str = TAG, collection: str | None = None, token: str | None = None
) -> list[HubEntry]:
    """Checkpoints on the Hub that carry a tag, newest first; only those of an owner or a collection, if given.

    `collection`: the part of its address after /collections/. Raises AIGCError as `pull` does.
    """
    api = hub_client(token)
    with faults_as_sentences(f"'{collection or owner}'" if collection or owner else "The Hub"):
        if collection is None:
            found = api.list_models(author=owner, filter=tag, sort="last_modified", full=True)
            models = list(islice(found, MAX_LISTED))
        elif repo_name.fullmatch(collection):
            items = [item.item_id for item in api.get_collection(collection).items if item.item_type == "model"]
            models = [
                model
                for model in in_readers(partial(_model_info, api), items[:MAX_LISTED])
                if model and tag in (model.tags or []) and (owner is None or model.id.startswith(f"{owner}/"))
            ]
        else:
            raise AIGCError("'{collection}' does not name a collection; write OWNER/NAME-ID.", collection=collection)
        entries = [
            HubEntry(
                model.id,
                model.sha or "",
                model.last_modified.isoformat() if model.last_modified else "",
                bool(model.private),
            )
            for model in models
            if repo_name.fullmatch(model.id)
        ]
    return sorted(entries, key=lambda entry: entry.updated, reverse=True)


def _model_info(api: HfApi, repo_id: str) -> ModelInfo | None:
    """The Hub's entry of an item of a collection; None if it is gone or this visitor may not see it."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(repo_id)
    except RepositoryNotFoundError:
        return None
