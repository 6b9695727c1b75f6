"""Checkpoints by name, loaded once for everyone: the visitors of the app and of the dashboard, and the commands.

A name is resolved with the rights of whoever asks, so that a private model opened with one visitor's token is not
served to another. Only then is the cache of loaded checkpoints searched, by folder and time of writing: a run that is
still training is read again when it has a newer step, and a branch on the Hub when it has moved.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .access import SHIPPED, check_reference, fingerprint
from .checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE
from .checkpoint.reference import CheckpointReference
from .device import best_device
from .hub.faults import HubUnreachable
from .hub.resolve import resolve_reference
from .pipeline import Checkpoint

KEPT_BYTES = 2**30
"""The most memory for the weights of all loaded models together; a single one may take more."""
RECHECK_SECONDS = 60.0
"""How long the Hub's answer to a visitor stays valid."""
MAX_ANSWERS = 1024


@dataclass(frozen=True)
class _Loaded:
    """The key of a loaded checkpoint; `written`: when its config and weights were written, in ns."""

    reference: str
    folder: Path
    written: tuple[int, ...]
    device: str


@dataclass(frozen=True)
class _Answer:
    """The folder that the Hub's answer led to, and until when it is valid (monotonic seconds)."""

    folder: Path
    until: float


class CheckpointCache:
    """Loaded checkpoints; the least recently used are dropped when all take more than `kept_bytes`."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._checkpoints: OrderedDict[_Loaded, Checkpoint] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str | None], _Answer] = OrderedDict()
        self.renew_locks()

    def renew_locks(self) -> None:
        """For a forked process, in which nobody would release a lock that another thread held at the fork."""
        self._table = threading.Lock()
        self._loading = threading.Lock()

    def find(self, reference: str, token: str | None = None) -> Path:
        """As `find_checkpoint`."""
        located = locate(reference)
        check_reference(located)
        if not located.is_on_hub:
            return resolve_reference(located)
        key, now = (str(located), fingerprint(token)), time.monotonic()
        with self._table:
            known = self._answers.get(key)
        if known and now < known.until and (known.folder / CONFIG_FILE).is_file():
            return known.folder
        try:
            folder = resolve_reference(located, token=token)
        except HubUnreachable:
            if known is None:
                raise
            folder = known.folder
        with self._table:
            self._answers[key] = _Answer(folder, now + RECHECK_SECONDS)
            self._answers.move_to_end(key)
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
        return folder

    def load(
        self,
        reference: str,
        token: str | None = None,
        device: str | None = None,
        stated: Mapping[str, str] | None = None,
    ) -> Checkpoint:
        """As `load_checkpoint`."""
        folder = resolve_reference(reference, token=token, stated=stated) if stated else self.find(reference, token)
        files = (folder / CONFIG_FILE, folder / WEIGHTS_FILE)
        written = tuple(file.stat().st_mtime_ns for file in files if file.is_file())
        key = _Loaded(reference, folder, written, device or best_device())
        if found := self._used(key):
            return found
        with self._loading:
            if found := self._used(key):
                return found
            loaded = Checkpoint.read(folder, reference, key.device)
            with self._table:
                self._checkpoints[key] = loaded
                self._make_room()
            return loaded

    def _used(self, key: _Loaded) -> Checkpoint | None:
        with self._table:
            if key in self._checkpoints:
                self._checkpoints.move_to_end(key)
            return self._checkpoints.get(key)

    def _make_room(self) -> None:
        sizes = {key: _bytes_of(checkpoint) for key, checkpoint in self._checkpoints.items()}
        while len(sizes) > 1 and sum(sizes.values()) > self._kept_bytes:
            oldest, _ = self._checkpoints.popitem(last=False)
            del sizes[oldest]


def _bytes_of(checkpoint: Checkpoint) -> int:
    return sum(tensor.nbytes for tensor in checkpoint.model.state_dict().values())


_cache = CheckpointCache()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_cache.renew_locks)


def load_checkpoint(
    reference: str, token: str | None = None, device: str | None = None, stated: Mapping[str, str] | None = None
) -> Checkpoint:
    """The checkpoint of a reference, the same object each time; threads that ask at the same time load it once.

    `token`: a visitor's own for the Hub; by default the one that huggingface_hub keeps. `device`: by default the best
    one. `stated`: facts about a model of another tool that its files leave open; only for commands, as access is not
    checked then. Raises AIGCError as `find_checkpoint` and `Checkpoint.from_pretrained` do.
    """
    return _cache.load(reference, token, device, stated)


def find_checkpoint(reference: str, token: str | None = None) -> Path:
    """The folder of a checkpoint: of a run, that of its newest step; of a name on the Hub, the one it is pulled into.

    The Hub is asked at most once a minute; if it cannot be reached, its last answer to this visitor stays valid.
    Raises AIGCError if there is no such checkpoint, or whoever asks may not open it.
    """
    return _cache.find(reference, token)


def locate(reference: str) -> CheckpointReference:
    """The reference of a name; `checkpoints/NAME` means a shipped model if there is no such folder here."""
    reference = reference.strip()
    named, shipped = CheckpointReference.parse(reference), f"{SHIPPED.name}/"
    if named.folder is None and reference.startswith(shipped):
        return CheckpointReference.parse(str(SHIPPED / reference.removeprefix(shipped)))
    return named
