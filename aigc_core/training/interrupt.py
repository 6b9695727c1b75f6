"""Stopping a training: by Ctrl-C, SIGTERM or a terminal that is closed, and what is said of it."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aigc_core.checkpoint.folder import step_folders
from aigc_core.errors import Sentence

from .messages import resume_command

ANNOUNCEMENT = Sentence(
    "Stopping: saving after this step. Another Ctrl-C stops at once and discards what was trained since the last "
    "checkpoint."
)
QUICK_PRESS_SECONDS = 0.5
"""Nobody reads the announcement in less: a signal that soon after the first is the same wish.

It may also be the same press of Ctrl-C, which the terminal sends to all processes and a launcher then passes on.
"""


def stop_signals() -> list[signal.Signals]:
    """The signals that ask a training to stop. SIGHUP, of a closed terminal, is one unless `nohup` turned it off."""
    hangup = [signal.SIGHUP] if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
    return [signal.SIGINT, signal.SIGTERM, *hangup]


def leave_terminal() -> None:
    """Let what is still written to a terminal go nowhere, as every write to one that is closed fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(nowhere, stream)
    os.close(nowhere)


class Interrupted(KeyboardInterrupt):
    """A training that was stopped; its text is a sentence that says what was saved and how to go on."""


@contextmanager
def _answering(answer: Callable[[], None]) -> Iterator[None]:
    """Call `answer` at each of the `stop_signals` until the block ends."""

    def handle(number: int, _: object) -> None:
        if number not in (signal.SIGINT, signal.SIGTERM):
            leave_terminal()
        answer()

    earlier = {number: signal.signal(number, handle) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_remembered() -> Iterator[Callable[[], bool]]:
    """Let all `stop_signals` raise KeyboardInterrupt, as Ctrl-C does, and yield a function that says whether one came.

    What is raised in a callback of a library in C is lost there; that it came is not.
    """
    came = False

    def answer() -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    with _answering(answer):
        yield lambda: came


@contextmanager
def stop_on_signals(announce: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether one of the `stop_signals` came.

    `announce` is called at the first signal; another one, unless it comes in the same moment, raises KeyboardInterrupt.
    """
    first: float | None = None

    def answer() -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            announce()
        elif time.monotonic() - first > QUICK_PRESS_SECONDS:
            raise KeyboardInterrupt

    with _answering(answer):
        yield lambda: first is not None


def what_was_saved(folder: Path, step: int) -> Sentence:
    """A sentence on a run that was stopped after `step` steps, its parent's included: what is saved, how to go on."""
    saved = step_folders(folder) if folder.is_dir() else []
    if not saved:
        return Sentence(
            "Interrupted; nothing was saved in '{folder}'. Run the same command again to begin anew.", folder=folder
        )
    lost = step - int(saved[-1].name.removeprefix("step-"))
    values = {"checkpoint": saved[-1], "command": resume_command(folder)}
    if lost > 0:
        return Sentence(
            "Interrupted; the last {lost:,} steps are discarded, and all before is saved in '{checkpoint}'. Go on with "
            "`{command}`.",
            lost=lost,
            **values,
        )
    return Sentence(
        "Interrupted; all that was trained is saved in '{checkpoint}'. Go on with `{command}`.",
        **values,
    )
