"""What training prints before, during and after a run, apart from its progress bar."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from aigc_core.errors import Sentence
from aigc_core.translation import localised

from .recipe import TrainingConfig

EXAMPLE_SECONDS = 600
"""The time limit that is suggested for longer runs."""
WARM_UP_STEPS = 3
MEASURED_SECONDS = 5.0
"""Speed is measured over the first seconds after a few warm-up steps, which are slower."""


def tell(sentence: str) -> None:
    """Write a sentence to standard error, in the terminal's language and above any progress bar."""
    tqdm.write(localised(sentence), file=sys.stderr)


def warning(sentence: str) -> Sentence:
    """A warning, as it is printed."""
    return Sentence("warning: {sentence}", sentence=sentence)


def where_to_look(folder: Path, trackers: Sequence[str]) -> Sentence:
    """A sentence that says how to watch a run."""
    commands = ["streamlit run dashboard/app.py"]
    if folder.resolve().parent == Path("runs").resolve():
        commands.insert(0, "python app.py")
    if "tensorboard" in trackers:
        commands.insert(0, shlex.join(["tensorboard", "--logdir", str(folder)]))
    return Sentence("Watch it by {commands}.", commands=", ".join(f"`{command}`" for command in commands))


def duration(seconds: float) -> Sentence:
    """About how long something takes: "40 s", "12 min" or "1 h 10 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return Sentence("{seconds} s", seconds=round(seconds))
    if minutes < 60:
        return Sentence("{minutes} min", minutes=minutes)
    return Sentence("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def per_second(rate: float) -> str:
    """A speed with about two significant digits."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def forecast(config: TrainingConfig, rate: float, samples_seen: int, seconds: float) -> Sentence | None:
    """How much is left of a run at `rate` samples per second, and which option bounds it; None if it is about over."""
    speed = per_second(rate)
    if config.seconds is not None:
        left = config.seconds - seconds
        if left < MEASURED_SECONDS:
            return None
        return Sentence(
            "{duration} are left, in which it sees about {samples:,} more samples ({speed} a second); --seconds says "
            "how long it lasts.",
            duration=duration(left),
            samples=round(left * rate),
            speed=speed,
        )
    left = max(0, config.samples - samples_seen) / rate
    if left > EXAMPLE_SECONDS:
        return Sentence(
            "It takes about {duration} at {speed} samples a second; `--seconds {example}` would end it after "
            "{example_duration}.",
            duration=duration(left),
            speed=speed,
            example=EXAMPLE_SECONDS,
            example_duration=duration(EXAMPLE_SECONDS),
        )
    return Sentence(
        "It takes about {duration} at {speed} samples a second; --seconds or --samples says how long it lasts.",
        duration=duration(left),
        speed=speed,
    )


class Forecast:
    """Measures the speed of the first seconds of training and then, once, forecasts the rest."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._steps = 0
        self._from = 0, 0.0
        self._told = False

    def after_step(self, samples_seen: int, seconds: float) -> Sentence | None:
        """The forecast, once it can be made; `samples_seen` and `seconds` are those of the whole run."""
        self._steps += 1
        if self._steps <= WARM_UP_STEPS:
            self._from = samples_seen, seconds
        measured = seconds - self._from[1]
        if self._told or measured < MEASURED_SECONDS:
            return None
        self._told = True
        return forecast(self._config, (samples_seen - self._from[0]) / measured, samples_seen, seconds)


def resume_command(folder: Path, *options: str) -> str:
    """The command that resumes a run."""
    return shlex.join(["python", "-m", "aigc_core", "train", "--out", str(folder), "--resume", *options])


def next_commands(config: TrainingConfig, folder: Path) -> list[str]:
    """Commands to try with a finished run; all but the name on the Hub can be copied as they are."""
    run = shlex.quote(str(folder))
    samples = shlex.quote(f"samples-{folder.name}")
    longer = (
        ("--samples", str(2 * config.samples)) if config.seconds is None else ("--seconds", f"{2 * config.seconds:g}")
    )
    return [
        f"python -m aigc_core sample {run} --out {samples}",
        f"python -m aigc_core evaluate {run}",
        f"python -m aigc_core push {run} OWNER/NAME",
        resume_command(folder, *longer),
    ]
