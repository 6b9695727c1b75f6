"""What a target is, and trying its inputs one by one."""

from __future__ import annotations

import hashlib
import re
import resource
import signal
import sys
import threading
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aigc_core.errors import AIGCError

HANG_SECONDS = 60
"""No input is given more; each should take milliseconds."""
MEMORY_LEAP = 512 * 2**20
"""Bytes by which one small input may raise the most memory that the process has ever held."""
MAX_SENTENCE = 20_000
"""Letters of a refusal; the longest ones list the names of all classes."""


class Target(ABC):
    """A boundary of the product.

    `scratch`: an empty folder for files. `short`: how many inputs pytest tries. `between`: called after each input.
    """

    short = 300

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    @abstractmethod
    def inputs(self, seed: int) -> Iterator[bytes]:
        """Inputs without end, the same for the same seed. The first is a valid one."""

    @abstractmethod
    def attempt(self, data: bytes) -> str:
        """Give an input to the product; returns in a word what came of it. Raises AIGCError where it is refused, and
        AssertionError where the product breaks a promise."""

    def close(self) -> None:  # noqa: B027  (most start nothing)
        """End what was started."""


def try_each(**calls: Callable[[], object]) -> str:
    """Make each of several calls, whatever came of the others; returns the names of those that were not refused.

    Raises the last AIGCError if all were refused.
    """
    refusal, done = None, []
    for name, call in calls.items():
        try:
            call()
            done.append(name)
        except AIGCError as error:
            assert not (fault := fault_of(error)), fault
            refusal = error
    if not done and refusal:
        raise refusal
    return ", ".join(done)


def fault_of(error: AIGCError) -> str:
    """What is wrong with an error as one sentence for people; empty if nothing is."""
    sentence = str(error)
    if len(sentence.splitlines()) != 1 or "Traceback" in sentence or len(sentence) > MAX_SENTENCE:
        return f"not one sentence: {sentence[:300]!r}"
    try:
        sentence.encode()
    except UnicodeEncodeError:
        return f"not text that can be sent to a browser: {sentence[:300]!r}"
    return ""


class Hang(BaseException):
    """An input that took too long; no handler of `Exception` swallows it."""


@dataclass
class Failure:
    """Inputs that failed in one way; `data` is the first of them, `number` its place in the sequence of the seed."""

    what: str
    trace: str
    data: bytes
    number: int
    times: int = 1


@dataclass
class Report:
    """What came of a target's inputs."""

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """How many inputs ended in an AIGCError."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.startswith("refused: "))


def fuzz(target: Target, seed: int, count: int | None = None, seconds: float | None = None) -> Report:
    """Try the inputs of a seed, `count` of them or for some time."""
    _forget_most_memory()
    report, end = Report(), None if seconds is None else time.monotonic() + seconds
    for number, data in enumerate(target.inputs(seed)):
        if number == count or (end is not None and time.monotonic() > end):
            break
        report.tried += 1
        outcome = try_input(target, data)
        if isinstance(outcome, str):
            report.outcomes[outcome] += 1
        elif outcome.what in report.failures:
            report.failures[outcome.what].times += 1
        else:
            outcome.number = number
            report.failures[outcome.what] = outcome
    return report


def try_input(target: Target, data: bytes) -> str | Failure:
    """What came of one input: an outcome, without what differs from input to input, or a failure."""
    before = _most_memory()
    try:
        with _bounded_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = target.attempt(data)
    except AIGCError as error:
        if fault := fault_of(error):
            return Failure(fault, traceback.format_exc(), data, 0)
        outcome = "refused: " + re.sub(r"'.*'|\(.*\)|\d[\d.,e+-]*", "…", str(error))[:120]
    except (Exception, Hang) as error:  # whatever it is, it is what we look for
        inner = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {Path(inner.filename).name}:{inner.lineno}"
        return Failure(what, traceback.format_exc(), data, 0)
    if (more := _most_memory() - before) > MEMORY_LEAP:
        return Failure(f"{more / 2**20:,.0f} MiB more memory", "", data, 0)
    return outcome


def _forget_most_memory() -> None:
    """Begin anew with what the process holds, on Linux: in what tests before have held, a leap would not show."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _most_memory() -> int:
    """The most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def _bounded_time() -> Iterator[None]:
    """Raise Hang in a block that takes longer than HANG_SECONDS, where the platform has alarms."""

    def ring(*_: Any) -> None:
        raise Hang

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)  # that of pytest-timeout, perhaps
        signal.signal(signal.SIGALRM, previous)


def save_failure(failure: Failure, folder: Path, name: str) -> Path:
    """Keep the input of a failure; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(failure.data).hexdigest()[:10]}"
    path.write_bytes(failure.data)
    return path
