"""What FID measures, and why it has an interval: one model, measured again and again."""

from __future__ import annotations

import torch

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.fid import Moments, fid_figures
from aigc_core.rng import seeded_generator

from ..language import t
from . import Lesson, lessons
from .drawing import cloud, intervals

SHIFT, SCALE = 0.5, 0.8
"""The model's points lie beside the real ones, and closer together; real ones are standard normal in the plane."""
TRUTH = SHIFT**2 + 2 * (1 - SCALE) ** 2
"""The squared Fréchet distance of the two normal distributions (Heusel et al. 2017, equation 6): that of the means, and
that of the standard deviations, in both directions of the plane."""
NUMBERS = (20, 50, 100, 200, 500, 1000, 2000)
MEASUREMENTS = 20
END = 1.6


def clouds(seed: int, measurement: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` points of the model and as many real ones, float32 [N, 2] each."""
    generator = seeded_generator(seed, measurement, count)
    real = torch.randn(count, 2, generator=generator)
    generated = SCALE * torch.randn(count, 2, generator=generator) + torch.tensor([SHIFT, 0])
    return generated, real


def measure(seed: int, count: int) -> list[Estimate]:
    """The FID of the model, measured MEASUREMENTS times with `count` samples and as many real points."""
    found = []
    for measurement in range(MEASUREMENTS):
        generated, real = clouds(seed, measurement, count)
        found.append(fid_figures(generated, real, Moments.of(real), extrapolate=False)["fid"])
    return found


class FID(Lesson):
    """The same model twice, with few samples."""

    name = "fid"
    place = 3
    title = Sentence("What FID measures")
    question = Sentence(
        "FID compares the cloud of samples with the cloud of real pictures: where its middle lies, and how far it "
        "spreads. 0 is best. Model A has an FID of 0.29 and model B one of 0.61, from 20 samples each. Which one is "
        "better?"
    )
    choices = (Sentence("A"), Sentence("B"), Sentence("That cannot be told from these numbers."))
    right = 2
    conclusion = Sentence(
        "A and B may be one model, as here: with few samples FID is too high, and another one each time. So a figure "
        "comes with an interval, and only differences that are larger count."
    )
    dial = Sentence("Number of samples")
    again = Sentence("Measure again")

    @property
    def stops(self) -> int:
        return len(NUMBERS)

    def show(self, seed: int, stop: int) -> str:
        count = NUMBERS[stop]
        found = measure(seed, count)
        held = sum(each.low <= TRUTH <= each.high for each in found)
        low, high = min(each.value for each in found), max(each.value for each in found)
        generated, real = clouds(seed, 0, count)
        title = t("{count:,} samples (red) and as many real ones", count=count)
        said = t(
            "{number} measurements of one model: from {low:.2f} to {high:.2f}. The line is its true FID, {truth:.2f}; "
            "{held} of the {number} intervals hold it.",
            number=MEASUREMENTS,
            low=low,
            high=high,
            truth=TRUTH,
            held=held,
        )
        seen = cloud([("real", real[:500]), ("generated", generated[:500])], 3.5, title)
        return f'<div class="pair">{seen}{intervals(found, TRUTH, END, said)}</div>'


lessons.register(FID.name, FID())
