"""The recorded training that two lessons look at: that of `checkpoints/mnist-mlp`, with the timeline of any run.

timeline/real.png      real digits that were not among the training data
timeline/scores.json   what the discriminator of each moment said of them and of the pictures generated at that moment
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.reference import step_number
from aigc_core.training.timeline import TIMELINE_FOLDER, Timeline, read_timeline

RUN = SHIPPED / "mnist-mlp"
SIDE = 28


@dataclass(frozen=True)
class Judged:
    """Pictures uint8 [N, 1, 28, 28], real and generated, and the discriminator's logits [N] on them."""

    real: Tensor
    generated: Tensor
    real_logits: list[float]
    generated_logits: list[float]


@cache
def film() -> Timeline:
    """The timeline."""
    return read_timeline(RUN)


def samples_at(moment: int) -> int:
    """How many samples the training had seen at a moment, counted from 0."""
    last = film().measurements[-1]
    return (step_number(film().previews[moment].stem) or 0) * last.samples_seen // last.step


@cache
def judged(moment: int) -> Judged:
    """What the discriminator made of pictures at a moment, counted from 0."""
    preview = film().previews[moment]
    scores = json.loads((RUN / TIMELINE_FOLDER / "scores.json").read_text())[preview.stem]
    real, generated = (_pictures(path) for path in (preview.with_name("real.png"), preview))
    return Judged(real, generated, scores["real"], scores["generated"])


def _pictures(path: Path) -> Tensor:
    """The pictures of a grid without borders."""
    grid = torch.from_numpy(numpy.array(Image.open(path).convert("L")))
    return grid.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE).reshape(-1, 1, SIDE, SIDE)
