"""Atomic writes of files and folders, input/output errors as sentences, and the place of the cache."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from .errors import AIGCError, Sentence


def named_path(name: str) -> Path:
    """The file or folder that a user names. Raises AIGCError for an empty name, which would mean the working folder."""
    if not name.strip():
        raise AIGCError("The name of the file or folder is empty.")
    return Path(name).expanduser()


def cache_folder(name: str) -> Path:
    """The folder for one kind of thing that can be fetched or computed again, such as data or features.

    It lies in the folder that AIGC_CACHE names, by default ~/.cache/aigc-studio.
    """
    return Path(os.environ.get("AIGC_CACHE") or Path.home() / ".cache" / "aigc-studio").expanduser() / name


@contextmanager
def atomic_directory(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder`, or what it is a link to, if the block succeeds and is deleted
    otherwise.

    Everything is synced to disk before the rename, so a half-written folder cannot be seen.
    Raises AIGCError if the disk is full or not writable.
    """
    with translate_io_errors(folder):
        folder = folder.resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with translate_io_errors(folder):
            yield unfinished
            written = [path for path in unfinished.rglob("*") if not path.is_symlink()]  # what links lead to stays
            for path in [*written, unfinished]:
                path.chmod(0o755 if path.is_dir() else 0o644)
                _sync(path)
            if folder.exists():
                replaced = unfinished.with_name(unfinished.name + "-replaced")
                folder.rename(replaced)
                unfinished.rename(folder)
                shutil.rmtree(replaced)
            else:
                unfinished.rename(folder)
            _sync(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path, with the same suffix, that becomes `path` if the block succeeds.

    Raises AIGCError if the disk is full or not writable; a half-written file cannot be seen.
    """
    with translate_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    unfinished = Path(name)
    try:
        with translate_io_errors(path):
            yield unfinished
            unfinished.chmod(0o644)
            _sync(unfinished)
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def translate_io_errors(path: Path) -> Iterator[None]:
    """Turn errors of writing to `path`, such as a full disk, into an AIGCError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = (
            Sentence("the disk is full; free some space")
            if disk_is_full(error)
            else getattr(error, "strerror", None) or str(error)
        )
        raise AIGCError(
            "'{path}' could not be written: {reason}. What was saved before is unharmed.", path=path, reason=reason
        ) from error


def disk_is_full(error: Exception) -> bool:
    """Whether an error of writing means that the disk is full; safetensors says so only in its message."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
