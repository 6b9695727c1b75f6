"""Training runs in processes of their own, which outlive the page and the program that started them.

A run is the command `python -m aigc_core train … --out runs/NAME`. Its state is read from its folder alone: the lock
shows whether it is training, the timeline how far it is. So runs that were started in a terminal appear as well.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from aigc_core.checkpoint.folder import read_config, step_folders
from aigc_core.checkpoint.layout import TRAINING_STATE_FOLDER
from aigc_core.config import read_config_file
from aigc_core.errors import AIGCError
from aigc_core.files import translate_io_errors
from aigc_core.training.lock import LOCK_FILE, run_owner
from aigc_core.training.recipe import TrainingConfig
from aigc_core.training.state import COUNTERS_FILE, Counters
from aigc_core.training.timeline import TIMELINE_FOLDER, Measurement, Timeline, read_timeline

RUNS = Path("runs")
COMMAND_FILE = "command.json"
LOG_FILE = "process.log"
STOPPED_FILE = "stopped"
MAX_LOG_BYTES = 65536
RECENT_SECONDS = 30.0
name_of_run = re.compile(r"[\w-][\w.-]{0,99}")


class State(StrEnum):
    """The state of a run. A paused run, which includes one that was killed, is meant to go on; a stopped one is not."""

    STARTING = "starting"
    TRAINING = "training"
    STOPPING = "saving and stopping"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class Plan:
    """A new run: `seconds` of training with a preset on `data`, in `runs/NAME`."""

    preset: str
    data: str
    seconds: float
    name: str

    @property
    def folder(self) -> Path:
        """Where its checkpoints will be."""
        return RUNS / self.name

    @property
    def words(self) -> list[str]:
        """What follows `python -m aigc_core`."""
        options = {"preset": self.preset, "data": self.data, "seconds": f"{self.seconds:g}", "out": str(self.folder)}
        return ["train", *(word for name, value in options.items() for word in (f"--{name}", value))]

    @property
    def command(self) -> str:
        """The same in a terminal."""
        return shlex.join(["python", "-m", "aigc_core", *self.words])


@dataclass(frozen=True)
class RunStatus:
    """The current state of a run. `error`: the sentence that it failed with."""

    state: State
    timeline: Timeline
    error: str = ""

    @property
    def is_running(self) -> bool:
        """Whether a process works on it."""
        return self.state in (State.STARTING, State.TRAINING, State.STOPPING)

    @property
    def rate(self) -> float | None:
        """Samples per second over the last RECENT_SECONDS of training; None if not known yet."""
        return self._per_second(lambda last, first: last.samples_seen - first.samples_seen)

    @property
    def left_seconds(self) -> float | None:
        """How long it will still train at its current speed."""
        speed = self._per_second(lambda last, first: last.progress - first.progress)
        return (1 - self.timeline.measurements[-1].progress) / speed if speed else None

    def _per_second(self, difference: Callable[[Measurement, Measurement], float]) -> float | None:
        measured = self.timeline.measurements
        recent = [each for each in measured if measured[-1].seconds - each.seconds <= RECENT_SECONDS]
        if len(recent) < 2 or recent[-1].seconds <= recent[0].seconds:
            return None
        return difference(recent[-1], recent[0]) / (recent[-1].seconds - recent[0].seconds)


class RunStarter:
    """Starts, stops and lists runs. It keeps no state of its own about the processes that it starts."""

    def __init__(self) -> None:
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self._stopping: dict[Path, int] = {}

    def start(self, plan: Plan, language: str = "en") -> None:
        """Start a run. Raises AIGCError for an invalid name, and if the folder holds a run already."""
        if not name_of_run.fullmatch(plan.name):
            raise AIGCError("'{name}' is no name of a run; use letters, digits, - and _.", name=plan.name)
        if plan.folder.exists() and (step_folders(plan.folder) or self._is_running(plan.folder)):
            raise AIGCError("There is a run '{name}' already; choose another name.", name=plan.name)
        folder = plan.folder / TIMELINE_FOLDER
        with translate_io_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / COMMAND_FILE).write_text(json.dumps(plan.words))
        self._spawn(plan.folder, plan.words, language)

    def go_on(self, folder: Path, language: str = "en") -> None:
        """Resume an interrupted run. Raises AIGCError if nothing is known of it."""
        if self._is_running(folder):
            return
        if step_folders(folder):
            words = ["train", "--out", str(folder), "--resume"]
        else:
            words = self._words(folder)
            if not words:
                raise AIGCError("There is nothing in '{folder}' to go on with; start a new run.", folder=folder)
        self._spawn(folder, words, language)

    def stop(self, folder: Path, *, for_good: bool = False) -> None:
        """Let a run save and end, like Ctrl-C in a terminal; does nothing if it is not running on this machine."""
        if for_good:
            with translate_io_errors(folder):
                (folder / TIMELINE_FOLDER / STOPPED_FILE).touch()
        process, owner = self._processes.get(folder), run_owner(folder)
        if process and process.poll() is None:
            pid = process.pid
        elif owner and owner.host == socket.gethostname() and _is_locked(folder):
            pid = owner.pid
        else:
            return
        self._stopping[folder] = pid
        os.kill(pid, signal.SIGTERM)

    def status(self, folder: Path) -> RunStatus:
        """How a run is doing."""
        timeline = read_timeline(folder)
        if self._is_running(folder):
            owner = run_owner(folder)
            pid = self._processes[folder].pid if folder in self._processes else owner and owner.pid
            if pid is not None and self._stopping.get(folder) == pid:
                return RunStatus(State.STOPPING, timeline)
            return RunStatus(State.TRAINING if owner and timeline.measurements else State.STARTING, timeline)
        if sentence := _error_of(folder):
            return RunStatus(State.FAILED, timeline, sentence)
        if _progress(folder) >= 1:
            return RunStatus(State.FINISHED, timeline)
        stopped = (folder / TIMELINE_FOLDER / STOPPED_FILE).exists()
        return RunStatus(State.STOPPED if stopped else State.PAUSED, timeline)

    def _is_running(self, folder: Path) -> bool:
        process = self._processes.get(folder)
        return bool(process and process.poll() is None) or _is_locked(folder)

    def _spawn(self, folder: Path, words: list[str], language: str) -> None:
        root = str(Path(__file__).parents[2])
        # Its one log is read for an error's sentence; the bar, which the timeline makes needless, is written rarely.
        own = {
            "PYTHONIOENCODING": "utf-8",
            "TQDM_MININTERVAL": "60",
            "LC_ALL": "zh_CN.UTF-8" if language == "zh" else "",
        }
        own["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        environment = os.environ | {name: value for name, value in own.items() if value}
        with translate_io_errors(folder):
            (folder / TIMELINE_FOLDER / STOPPED_FILE).unlink(missing_ok=True)
        with translate_io_errors(folder), (folder / TIMELINE_FOLDER / LOG_FILE).open("wb") as log:
            self._processes[folder] = subprocess.Popen(
                [sys.executable, "-m", "aigc_core", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # ^C in the terminal of the app is not meant for it
            )
        self._stopping.pop(folder, None)

    def _words(self, folder: Path) -> list[str]:
        try:
            words = json.loads((folder / TIMELINE_FOLDER / COMMAND_FILE).read_text())
        except (OSError, ValueError):
            return []
        return words if isinstance(words, list) and words[:1] == ["train"] else []


def known_runs() -> list[Path]:
    """The runs in `runs/`, most recently written first."""
    folders = [path for path in RUNS.iterdir() if (path / TIMELINE_FOLDER).is_dir()] if RUNS.is_dir() else []
    return sorted(folders, key=lambda path: -max(part.stat().st_mtime for part in (path, path / TIMELINE_FOLDER)))


def free_name(wanted: str) -> str:
    """A name for a new run: the wanted one or, if it is taken, with the first free number."""
    wanted = re.sub(r"[^\w.-]+", "-", wanted).strip("-.") or "run"
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (RUNS / name).exists())


def _is_locked(folder: Path) -> bool:
    if not (folder / LOCK_FILE).exists():
        return False
    lock = FileLock(folder / LOCK_FILE)
    try:
        with lock.acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _error_of(folder: Path) -> str:
    """The error that the last process ended with, if it did."""
    try:
        with (folder / TIMELINE_FOLDER / LOG_FILE).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - MAX_LOG_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    if lines and lines[-1].startswith("error: "):
        return lines[-1].removeprefix("error: ")
    return lines[-1] if lines and "Traceback (most recent call last):" in lines else ""


def _progress(folder: Path) -> float:
    """The share of a run that was done at its newest checkpoint."""
    for newest in step_folders(folder)[-1:]:
        try:
            counters = read_config_file(Counters, newest / TRAINING_STATE_FOLDER / COUNTERS_FILE, "resume the run")
            recipe = TrainingConfig.model_validate(read_config(newest).recipe)
        except (AIGCError, OSError, ValueError):
            continue
        if recipe.seconds is not None:
            return counters.training_seconds / recipe.seconds
        return counters.samples_seen / recipe.samples
    return 0.0
