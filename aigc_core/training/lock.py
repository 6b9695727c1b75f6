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
    """Hold the lock of a run's folder, which is made first; of several processes the main one takes it for all.

    If the folder holds nothing new at the end, as after a refusal, it is left as it was found.
    Raises AIGCError, naming its process and host, if another run holds the lock, and if the folder is not writable.
    """
    lock = FileLock(folder / LOCK_FILE)
    with translate_io_errors(folder):
        missing = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
        earlier = set() if folder in missing else {*os.listdir(folder)}
    try:
        on_main_process(accelerator, lambda: _acquire(lock, folder))
        yield
    finally:
        if accelerator.is_main_process:
            _release(lock, folder, earlier)
            with suppress(OSError):  # the first that is not empty is kept, and so are those around it
                for each in missing:
                    each.rmdir()


def _acquire(lock: FileLock, folder: Path) -> None:
    with translate_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
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


def _release(lock: FileLock, folder: Path, earlier: set[str]) -> None:
    """Release the lock; its file goes too if it was not there earlier and nothing else has come."""
    if not lock.is_locked:
        return
    with suppress(OSError):
        (folder / OWNER_FILE).unlink()
        if {*os.listdir(folder)} - {LOCK_FILE} == earlier:
            (folder / LOCK_FILE).unlink()  # before it is released, as another run may hold it afterwards
    lock.release()


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
