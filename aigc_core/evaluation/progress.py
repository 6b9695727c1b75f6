"""How far an evaluation is, as lines of JSON that another process reads (`evaluate --progress json`)."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import Field

from aigc_core.config import Config

Stage = Literal["reference", "samples", "figures"]


class Progress(Config):
    """The content of one line.

    `stage`: reading the real samples, drawing samples, or computing figures. `share` of the samples drawn, from 0 to 1.
    `eta_seconds`: until all are drawn, at the speed of the last ones; None if unknown. `figure`: the title
    of the one being computed.
    """

    stage: Stage
    share: float = Field(ge=0, le=1)
    eta_seconds: float | None = Field(default=None, ge=0)
    figure: str = ""


class ProgressLines:
    """Prints a line whenever it is called with the share of samples drawn."""

    def __init__(self) -> None:
        self._share, self._time = 0.0, time.perf_counter()
        _print(Progress(stage="samples", share=0))

    def __call__(self, share: float) -> None:
        now = time.perf_counter()
        drawn, seconds = share - self._share, now - self._time
        self._share, self._time = share, now
        stage: Stage = "samples" if share < 1 else "figures"
        eta = (1 - share) * seconds / drawn if drawn > 0 else None
        _print(Progress(stage=stage, share=share, eta_seconds=eta))


def print_figure(title: str) -> None:
    """Print that all samples are drawn and a figure is being computed."""
    _print(Progress(stage="figures", share=1, figure=title))


def print_start() -> None:
    """Print that the real samples are being read."""
    _print(Progress(stage="reference", share=0))


def _print(progress: Progress) -> None:
    print(progress.model_dump_json(), flush=True)
