"""The timeline of a run: previews and measurements that stay after most of its checkpoints are deleted.

timeline/step-0000123.png     the preview at that step, of the same seeds each time (suffix by modality)
timeline/measurements.jsonl   progress, measured values and warnings: at most one line per second
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from aigc_core.checkpoint.reference import step_number
from aigc_core.config import Config
from aigc_core.files import atomic_write

TIMELINE_FOLDER = "timeline"
MEASUREMENTS_FILE = "measurements.jsonl"
SECONDS_BETWEEN_LINES = 1.0
LINES_BY_AGE = 1000
"""Bounds the number of lines of a long run: the wait for the next one is the time trained over this."""


class Measurement(Config):
    """Where a run stood: `step` and `samples_seen` as in its checkpoints, `seconds` of training, `progress` 0 to 1.

    `values`: losses and other measurements of the training method. `warning`: an English sentence if something went
    wrong, which the catalogue can translate; else empty.
    """

    step: int = Field(ge=0, lt=2**63)
    samples_seen: int = Field(ge=0, lt=2**63)
    seconds: float = Field(ge=0)
    progress: float = Field(ge=0, le=1)
    values: dict[str, float] = {}
    warning: str = ""


class TimelineWriter:
    """Writes the timeline of a run that starts or resumes after `step`; anything later is deleted first."""

    def __init__(self, run: Path, step: int) -> None:
        self._folder = run / TIMELINE_FOLDER
        self._written, self._warning = float("-inf"), ""
        earlier = read_timeline(run)
        for later in (path for path in earlier.previews if (step_number(path.stem) or 0) > step):
            later.unlink()
        if earlier.measurements:
            lines = [each.model_dump_json() + "\n" for each in earlier.measurements if each.step <= step]
            with atomic_write(self._folder / MEASUREMENTS_FILE) as unfinished:
                unfinished.write_text("".join(lines), encoding="utf-8")

    def measure(self, measurement: Measurement) -> None:
        """Add a line, unless the last one is recent and there is no new warning."""
        is_new = measurement.warning not in ("", self._warning)
        wait = max(SECONDS_BETWEEN_LINES, measurement.seconds / LINES_BY_AGE)
        if measurement.seconds - self._written < wait and not is_new:
            return
        self._written, self._warning = measurement.seconds, measurement.warning
        self._folder.mkdir(exist_ok=True)
        with (self._folder / MEASUREMENTS_FILE).open("a", encoding="utf-8") as file:
            file.write(measurement.model_dump_json() + "\n")

    def keep_preview(self, checkpoint: Path, preview_file: str) -> None:
        """Copy the preview of a checkpoint `step-…`, if it has one."""
        preview = checkpoint / preview_file
        if preview.is_file():
            with atomic_write(self._folder / f"{checkpoint.name}{preview.suffix}") as unfinished:
                shutil.copyfile(preview, unfinished)


@dataclass(frozen=True)
class Timeline:
    """Previews `step-…`, oldest first, and measurements in the order of their steps."""

    previews: list[Path]
    measurements: list[Measurement]


def read_timeline(run: Path) -> Timeline:
    """The timeline of a run, which may still be training; empty if there is none."""
    return Timeline(previews(run), _measurements(run / TIMELINE_FOLDER / MEASUREMENTS_FILE))


def previews(run: Path) -> list[Path]:
    """The previews of a run, oldest first."""
    folder = run / TIMELINE_FOLDER
    found = folder.glob("step-*") if folder.is_dir() else ()
    numbered = [(number, path) for path in found if (number := step_number(path.stem)) is not None]
    return [path for _, path in sorted(numbered)]


def _measurements(path: Path) -> list[Measurement]:
    if not path.is_file():
        return []
    kept = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            # The last line may be half written or cut off by a full disk.
            with suppress(ValidationError):
                kept.append(Measurement.model_validate_json(line))
    return kept
