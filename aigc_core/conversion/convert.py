"""From files of other tools to the folder of a checkpoint, converted once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import cache_folder

from .base import find_format, formats

MAX_LISTED = 200_000
MAX_DEPTH = 4
_until_the_end: dict[Path, TemporaryDirectory[str]] = {}
"""Where checkpoints lie that could not be written into the cache, until this process ends."""


def converted_file(path: Path, stated: Mapping[str, str] | None = None) -> Path | None:
    """Convert a file of another tool, with the files beside it that it needs; None if its format is not known.

    Raises AIGCError if it is refused, damaged or unclear.
    """
    own = find_format([path.name])
    if own is None:
        return None
    beside = [name for name in list_files(path.parent, depth=1) if find_format([name]) is None]
    found = find_format([path.name, *beside])
    return _converted(path.parent, *(found or own), stated or {})


def converted_folder(folder: Path, stated: Mapping[str, str] | None = None) -> Path | None:
    """As `converted_file`, for a folder; None for one of our own checkpoints, or if its format is not known."""
    if (folder / CONFIG_FILE).is_file() and not stated and find_format(os.listdir(folder)) is None:
        return None
    found = find_format(list_files(folder))
    return None if found is None else _converted(folder, *found, stated or {})


def converted_commit(repo_id: str, commit: str, stated: Mapping[str, str] | None = None) -> Path | None:
    """The checkpoint that a commit on the Hub was converted into, if it is in the cache."""
    folder = _commit_folder(repo_id, commit, stated or {})
    return folder if (folder / CONFIG_FILE).is_file() else None


def convert_commit(
    folder: Path, name: str, names: Sequence[str], repo_id: str, commit: str, stated: Mapping[str, str] | None = None
) -> Path:
    """Convert the files `names` of a commit, which were pulled into `folder` and have the format `name`.

    Raises AIGCError as `converted_file` does, with the repository's name in place of the folder's.
    """
    try:
        return _into(_commit_folder(repo_id, commit, stated or {}), folder, name, names, stated or {})
    except AIGCError as error:
        raise error.calling(folder, repo_id) from None


def list_files(folder: Path, depth: int = MAX_DEPTH) -> list[str]:
    """The files in a folder, down to `depth` levels, as relative paths with `/`.

    Hidden files, and links that lead out of the folder, are left out. Raises AIGCError if there are too many files.
    """
    root, found = folder.resolve(), []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        level = len(here.relative_to(folder).parts)
        folders[:] = [] if level + 1 >= depth else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = here / name
            if not name.startswith(".") and os.path.isfile(path) and path.resolve().is_relative_to(root):
                found.append(path.relative_to(folder).as_posix())
        if len(found) > MAX_LISTED:
            raise AIGCError("'{folder}' has over {limit:,} files; refused.", folder=folder, limit=MAX_LISTED)
    return found


def _converted(folder: Path, name: str, names: Sequence[str], stated: Mapping[str, str]) -> Path:
    contents = {}
    for wanted in names:
        path = folder / wanted
        status = path.stat()
        if status.st_size > formats[name].max_bytes:
            raise AIGCError(
                "'{path}' is larger than {limit:,} bytes; refused.", path=path, limit=formats[name].max_bytes
            )
        contents[wanted] = _hash(path.resolve(), status.st_size, status.st_mtime_ns)
    key = _digest(name, formats[name].version, contents, dict(stated))
    return _into(cache_folder("converted") / key, folder, name, names, stated)


def _into(target: Path, folder: Path, name: str, names: Sequence[str], stated: Mapping[str, str]) -> Path:
    if (target / CONFIG_FILE).is_file():
        return target
    if target in _until_the_end:
        return Path(_until_the_end[target].name)
    checkpoint = formats[name].convert(folder, names, stated)
    try:
        return checkpoint.save_pretrained(target)
    except AIGCError as error:
        warnings.warn(
            Sentence("The converted model is not kept for the next time: {error}", error=error.sentence), stacklevel=4
        )
        _until_the_end[target] = TemporaryDirectory()
        return checkpoint.save_pretrained(_until_the_end[target].name)


def _commit_folder(repo_id: str, commit: str, stated: Mapping[str, str]) -> Path:
    versions = {name: formats[name].version for name in formats}
    key = _digest(repo_id, commit, versions, dict(stated))
    return cache_folder("converted") / key


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@lru_cache(maxsize=4096)
def _hash(path: Path, size: int, written: int) -> str:
    """The SHA-256 of a file that has this size and was written then."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
