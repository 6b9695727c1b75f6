"""Watching a model learn: the same seeds through a training, with the losses and the discriminator's scores."""

from __future__ import annotations

from aigc_core.errors import Sentence
from aigc_core.serving.runs import RunStatus, State

from ..train import charts_html, moment_html
from . import Lesson, lessons
from .film import film, samples_at


class Watching(Lesson):
    """Does the loss fall while the pictures get better?"""

    name = "watching"
    place = 1
    title = Sentence("Watching a model learn")
    question = Sentence(
        "A generator turns noise into pictures, and a discriminator scores how real they look; both learn at once. The "
        "generated digits get better and better. What does the generator's loss do meanwhile?"
    )
    choices = (
        Sentence("It falls steadily, as the pictures get better."),
        Sentence("It stays where it began."),
        Sentence("It goes up and down, and ends higher than it began."),
    )
    right = 2
    conclusion = Sentence(
        "The generator's loss tells how well it deceives today's discriminator, which learns as well: a GAN is watched "
        "by its pictures, and judged by FID, but not by its losses."
    )
    dial = Sentence("Moment")

    @property
    def stops(self) -> int:
        return len(film().previews)

    def show(self, seed: int, stop: int) -> str:
        status = RunStatus(State.FINISHED, film())
        picture = moment_html(status, stop + 1)
        charts = charts_html(film().measurements, samples_at(stop))
        return f'<div class="pair"><div class="moment">{picture}</div>{charts}</div>'


lessons.register(Watching.name, Watching())
