"""A repository of the Hub as a folder of one's own: a checkpoint, the steps of a run, or all runs of a recipe."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE, file_kind
from aigc_core.checkpoint.reference import MAIN, seed_name, step_number
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_directory

from .pull import pull
from .revisions import list_revisions


def copy_repository(repo_id: str, folder: Path, revision: str = "", token: str | None = None) -> Path:
    """Copy a repository into `folder`, laid out as `push` found it; returns the folder.

    Revisions `step-…` become a run's steps, and `seed-1/step-…` those of a recipe's runs; the folder itself holds what
    main has, unless that is one of them. With a `revision` it holds that one alone. Files that are there already stay,
    so a copy that was interrupted can be completed.
    Raises AIGCError as `pull` does, and where the folder holds anything else.
    """
    if revision:
        return _copy(pull(repo_id, revision, token), folder)
    commits = {found.name: found.commit for found in list_revisions(repo_id, token)}
    steps = [name for name in commits if _is_step(name)]
    pulled = {name: pull(repo_id, commits[name], token) for name in steps}
    if MAIN in commits or not steps:
        newest = pull(repo_id, commits.get(MAIN, MAIN), token)
        if not any(_are_alike(newest, step) for step in pulled.values()):
            _copy(newest, folder)
    for name in steps:
        _copy(pulled[name], folder / name)
    return folder


def _is_step(revision: str) -> bool:
    seed, slash, step = revision.rpartition("/")
    return step_number(step) is not None and (not slash or seed_name.fullmatch(seed) is not None)


def _are_alike(first: Path, second: Path) -> bool:
    return filecmp.cmp(first / WEIGHTS_FILE, second / WEIGHTS_FILE, shallow=False)


def _copy(checkpoint: Path, folder: Path) -> Path:
    """Copy the files of a checkpoint, unless they are there."""
    if (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file() and _are_alike(checkpoint, folder):
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AIGCError("'{folder}' holds something else; name a new folder.", folder=folder)
    names = (path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file())
    with atomic_directory(folder) as unfinished:
        for name in filter(file_kind, names):
            (unfinished / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(checkpoint / name, unfinished / name)
    return folder
