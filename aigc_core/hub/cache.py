"""Revisions in huggingface_hub's cache, where fetched files stay under their commit and are not requested again.

The config of a commit is fetched last, after the weights, and the weights after everything else. So if the config is in
the cache all results are, and if the weights are as well, all files are. (`snapshot_download` fetches in any order, and
records the commit of a branch before its files are there.)

The cache also holds files that only others may read. So a public process asks the Hub about every reference.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import suppress
from pathlib import Path

from aigc_core.access import is_public
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE

WHOLE = (CONFIG_FILE, WEIGHTS_FILE)
SUMMARY = (CONFIG_FILE,)
"""Files whose presence in the cache shows that a whole checkpoint is there, and that config and results are."""

logger = logging.getLogger(__name__)


def may_answer(token: str | None) -> bool:
    """Whether the cache may answer in place of the Hub: it knows no rights, neither of a token nor of strangers."""
    return token is None and not is_public()


def say_it_answers(repo_id: str) -> None:
    """Tell the user that what is known of a repository comes from the cache."""
    logger.warning("'%s' comes from the cache, since the Hub cannot be reached.", repo_id)


def cached_folder(repo_id: str, revision: str, names: tuple[str, ...]) -> Path | None:
    """The folder of a revision in the cache, if it holds all these files; else None."""
    from huggingface_hub import try_to_load_from_cache

    cached = (try_to_load_from_cache(repo_id, name, revision=revision) for name in names)
    paths = [path for path in cached if isinstance(path, str)]
    return Path(paths[0]).parent if len(paths) == len(names) else None


def note_commit(folder: Path, revision: str) -> None:
    """Record in the cache the commit of a revision once all its files are there, so that its name works offline.

    The place is documented (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). The library's functions
    that write it (`resolve_revision`, `snapshot_download`) do so before the files are there, with one more request for
    each name.
    """
    note = folder.parent.parent / "refs" / revision
    if revision == folder.name or (note.is_file() and note.read_text() == folder.name):
        return
    with suppress(OSError), tempfile.TemporaryDirectory(dir=folder.parent.parent) as scratch:  # may be read-only
        note.parent.mkdir(parents=True, exist_ok=True)
        Path(scratch, "commit").write_text(folder.name)
        Path(scratch, "commit").replace(note)


def noted_commits(repo_id: str) -> dict[str, str]:
    """The commits that the cache has recorded, by the names of their revisions, sorted."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return {}
    commits = [
        commit
        for repository in repositories
        if (repository.repo_type, repository.repo_id) == ("model", repo_id)
        for commit in repository.revisions
    ]
    return dict(sorted((name, commit.commit_hash) for commit in commits for name in commit.refs))
