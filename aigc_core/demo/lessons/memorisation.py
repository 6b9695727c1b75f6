"""Memorisation: a model that copies its training data has the best FID of all, and is found out by its neighbours."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.fid import Moments, frechet_distance
from aigc_core.metrics.memorisation import CHANCE, memorised_share, resemblance
from aigc_core.metrics.neighbours import nearest
from aigc_core.rng import seeded_generator

from ..language import t
from . import Lesson, lessons
from .drawing import cloud

TRAINING, HELD_OUT, SAMPLES = 600, 10_000, 600
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""How much of the copier's samples it copies."""
BLUR, SHIFT = 0.002, 0.15
"""Copies lie so far beside what they copy; the honest model's samples lie so far beside the real ones, all of them."""
SHOWN = 60


def ring(count: int, generator: torch.Generator) -> Tensor:
    """Real points float32 [count, 2] around a circle."""
    angles = 2 * math.pi * torch.rand(count, generator=generator)
    points = torch.stack([angles.cos(), angles.sin()], 1)
    return points + 0.25 * torch.randn(count, 2, generator=generator)


def samples_of(share: float, training: Tensor, generator: torch.Generator) -> Tensor:
    """Samples float32 [SAMPLES, 2] of a model that copies a share of them from the training points, and draws the
    others honestly, though not quite in the right place."""
    honest = ring(SAMPLES, generator) + torch.tensor([SHIFT, 0.0])
    picked = training[torch.randint(len(training), (SAMPLES,), generator=generator)]
    copies = picked + BLUR * torch.randn(SAMPLES, 2, generator=generator)
    return torch.where(torch.arange(SAMPLES)[:, None] < share * SAMPLES, copies, honest)


def measure(samples: Tensor, training: Tensor, held_out: Tensor) -> tuple[float, Estimate]:
    """The FID of samples against the held-out points, and the share of them that are memorised."""
    control = resemblance(held_out, training).scores
    fid = frechet_distance(Moments.of(samples), Moments.of(held_out))
    return fid, memorised_share(resemblance(samples, training).scores, control)


class Memorisation(Lesson):
    """Which model does one want?"""

    name = "memorisation"
    place = 5
    title = Sentence("A model that copies")
    question = Sentence(
        "Model A has an FID of about 0.03 and model B one of about 0.003; lower is better, and the difference is real. "
        "Which one has learnt the data better?"
    )
    choices = (Sentence("A"), Sentence("B"), Sentence("FID alone does not tell."))
    right = 2
    conclusion = Sentence(
        "B only hands out its training data again, and FID cannot tell that from learning. So look at the "
        "nearest training picture of each sample, and compare with real pictures that were held out: those that lie "
        "suspiciously near are copies."
    )
    dial = Sentence("How much model B copies")
    again = Sentence("Draw again")

    @property
    def stops(self) -> int:
        return len(SHARES)

    @property
    def first_stop(self) -> int:
        return len(SHARES) - 1

    def show(self, seed: int, stop: int) -> str:
        generator = seeded_generator(seed)
        training, held_out = ring(TRAINING, generator), ring(HELD_OUT, generator)
        figures = []
        for name, share in (("A", 0.0), ("B", SHARES[stop])):
            samples = samples_of(share, training, generator)
            fid, copied = measure(samples, training, held_out)
            said = t(
                "Model {name}: FID {fid:.3f}, memorised {share:.0%} ({low:.0%} to {high:.0%}; chance is {chance:.0%})",
                name=name,
                fid=fid,
                share=copied.value,
                low=copied.low,
                high=copied.high,
                chance=CHANCE,
            )
            shown = samples[:: SAMPLES // SHOWN]
            _, indices = nearest(shown, training, 1)
            lines = list(zip(shown, training[indices[:, 0]]))
            figures.append(cloud([("real", training), ("generated", shown)], 1.8, said, lines))
        legend = t("Training points are grey, samples red, with a line to the nearest training point.")
        return f'<div class="pair">{"".join(figures)}</div><p>{legend}</p>'


lessons.register(Memorisation.name, Memorisation())
