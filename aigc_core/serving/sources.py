"""Reading sources beside each other: one that does not answer holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from aigc_core.access import fingerprint

from .leaderboard import Entry, collect

MAX_THREADS = 16
PATIENCE = 2.0
"""Seconds that a source is waited for before those at hand are shown without it."""
FRESH_SECONDS = 60
KEPT_SECONDS = 3600


@dataclass
class _Reading:
    """A source being read, or read: since when, for which version, and what it had brought before.

    `is_awaited`: whether pages wait for it, as what was there before is missing or known to have changed.
    """

    future: Future[list[Entry]]
    started: float
    version: int
    before: list[Entry] | None
    is_awaited: bool

    @property
    def entries(self) -> list[Entry] | None:
        return self.future.result() if self.future.done() else self.before


class SourceReader:
    """Reads sources in threads and keeps what they brought, for each visitor's token by its fingerprint."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MAX_THREADS)
        self._readings: dict[tuple[str, str | None], _Reading] = {}
        self._lock = threading.Lock()

    def read(self, sources: Iterable[str], token: str | None = None, version: int = 0) -> dict[str, list[Entry] | None]:
        """The entries of each source, or None of one that has not been read yet: ask again for it later.

        What was read is read again after a minute, and meanwhile the call returns what there was before. Where
        `version` has changed, and the first time, it waits for `PATIENCE`.
        """
        with self._lock:
            readings = {source: self._current(source, token, version) for source in sources}
        for reading in readings.values():
            if reading.is_awaited:
                wait([reading.future], timeout=max(0.0, reading.started + PATIENCE - time.monotonic()))
        return {source: reading.entries for source, reading in readings.items()}

    def _current(self, source: str, token: str | None, version: int) -> _Reading:
        now = time.monotonic()
        for name, old in list(self._readings.items()):
            if old.future.done() and now - old.started > KEPT_SECONDS:
                del self._readings[name]
        key = source, fingerprint(token)
        known = self._readings.get(key)
        stale = known and (known.version != version or now - known.started > FRESH_SECONDS)
        if known is None or (stale and known.future.done()):
            future = self._pool.submit(collect, [source], token)
            before, is_awaited = (known.entries, known.version != version) if known else (None, True)
            known = _Reading(future, now, version, before, is_awaited)
            self._readings[key] = known
        return known
