"""Pull a checkpoint from the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aigc_core.checkpoint.reference import MAIN
from aigc_core.conversion.convert import convert_commit, converted_commit

from .cache import WHOLE, cached_folder, may_answer, note_commit, noted_commits, say_it_answers
from .client import checked_names, commit_hash, hub_client
from .faults import HubUnreachable
from .files import checkpoint_files, fetch_all


def pull(
    repo_id: str, revision: str | None = None, token: str | None = None, stated: Mapping[str, str] | None = None
) -> Path:
    """Fetch a checkpoint into huggingface_hub's cache, or find it there; returns its folder.

    A model of another tool is converted, and the folder is that of the converted checkpoint; `stated`: facts about such
    a model that its files leave open. `revision`: a branch, a tag or a commit; a commit that is in the cache needs no
    request. If the Hub cannot be reached, the cached files of the revision are used, but not with a `token`, whose
    rights cannot be checked then.
    Raises AIGCError if it does not exist, may not be read, is too large, arrives damaged, or cannot be reached.
    """
    revision = checked_names(repo_id, revision or MAIN)
    cache_suffices = may_answer(token)
    is_commit = commit_hash.fullmatch(revision) is not None
    if cache_suffices and is_commit and (folder := _kept(repo_id, revision, stated)):
        return folder
    api = hub_client(token)
    try:
        commit, files, made_by = checkpoint_files(api, repo_id, revision)
    except HubUnreachable:
        if cache_suffices and (folder := _kept(repo_id, revision, stated)):
            say_it_answers(repo_id)
            return folder
        raise
    if made_by:
        if folder := converted_commit(repo_id, commit, stated):
            return folder
        pulled = fetch_all(api, repo_id, commit, files)
        note_commit(pulled, revision)
        return convert_commit(pulled, made_by, [*files], repo_id, commit, stated)
    folder = cached_folder(repo_id, commit, WHOLE) or fetch_all(api, repo_id, commit, files)
    note_commit(folder, revision)
    return folder


def _kept(repo_id: str, revision: str, stated: Mapping[str, str] | None) -> Path | None:
    """The folder of a whole revision in the cache, ours or converted; None if it, or its commit, is not known there."""
    if folder := cached_folder(repo_id, revision, WHOLE):
        return folder
    if folder := converted_commit(repo_id, revision, stated):
        return folder
    noted = noted_commits(repo_id)
    return converted_commit(repo_id, noted[revision], stated) if revision in noted else None
