"""A run's folder has one owner: whoever trains into it holds its lock.

The operating system keeps the lock and frees it when the process ends, however it ends, so a lock that a killed
process left behind holds nobody up. Who holds it stands in a file beside it, for people and error messages alone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from accelerate import Accelerator
from filelock import FileLock, Timeout
from pydantic import ValidationError

from aigc_core.config import Config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import atomic_write, translate_io_errors

from .processes import on_main_process

LOCK_FILE = ".lock"
OWNER_FILE = ".lock.json"
PATIENCE_SECONDS = 1
"""How long a taken lock is waited for, in which an owner that has just taken it says who it is."""


class Owner(Config):
    """The process that holds a lock; `started` is the time in ISO 8601 at which it took the lock."""

    pid: int
    host: str
    started: str


@contextmanager
def run_lock(folder: Path, accelerator: Accelerator) -> Iterator[None]:
    """Hold the lock of an existing folder; of several processes of one run the main one takes it for all.

    Raises AIGCError, naming its process and host, if another run holds the lock, and if the folder is not writable.
    """
    lock = FileLock(folder / LOCK_FILE)
    on_main_process(accelerator, lambda: _acquire(lock, folder))
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):
                (folder / OWNER_FILE).unlink()
            lock.release()


def _acquire(lock: FileLock, folder: Path) -> None:
    with translate_io_errors(folder):
        try:
            lock.acquire(timeout=PATIENCE_SECONDS)
        except Timeout:
            raise AIGCError(
                "'{folder}' is in use: {owner} trains into it; wait for it, stop it, or choose another --out.",
                folder=folder,
                owner=_owner(folder),
            ) from None
    try:
        started = datetime.now(UTC).isoformat(" ", "seconds")
        owner = Owner(pid=os.getpid(), host=socket.gethostname(), started=started)
        with atomic_write(folder / OWNER_FILE) as unfinished:
            unfinished.write_text(owner.model_dump_json() + "\n")
    except BaseException:
        lock.release()
        raise


def run_owner(folder: Path) -> Owner | None:
    """Who trains into a folder, or did when it was killed; None where nobody does."""
    try:
        return Owner.model_validate_json((folder / OWNER_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def _owner(folder: Path) -> Sentence:
    owner = run_owner(folder)
    if owner is None:
        return Sentence("another process")
    return Sentence("process {pid} on {host}, since {started},", pid=owner.pid, host=owner.host, started=owner.started)
