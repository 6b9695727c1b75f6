"""Collapse on purpose: two small GANs on points, alike but for the gradient penalty, trained in the page."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from aigc_core.errors import Sentence
from aigc_core.families.gan.losses import losses
from aigc_core.families.gan.parts.zero_centred_penalty import zero_centred_gradient_penalty
from aigc_core.rng import seeded_generator

from ..language import t
from . import Lesson, lessons
from .drawing import cloud

MODES, SPREAD = 8, 0.05
"""Real points: this many normal distributions around the unit circle, and their standard deviation."""
GAMMA = 0.5
STEPS, MOMENTS = 600, 20
BATCH, WIDTH = 64, 64
LEARNING_RATE, BETAS = 2e-3, (0.85, 0.99)
SHOWN = 256
NEAR = 0.3
"""How far from its centre a sample counts for a mode; the centres are 0.77 apart."""
KEPT = 16
loss = losses["non_saturating"]


def centres() -> Tensor:
    """The middles of the modes, float32 [MODES, 2]."""
    angles = torch.arange(MODES) * (2 * math.pi / MODES)
    return torch.stack([angles.cos(), angles.sin()], 1)


def real_points(count: int, generator: torch.Generator) -> Tensor:
    """Real points float32 [count, 2]."""
    chosen = centres()[torch.randint(MODES, (count,), generator=generator)]
    return chosen + SPREAD * torch.randn(count, 2, generator=generator)


def modes_reached(samples: Tensor) -> int:
    """How many modes have a quarter at least of the samples [N, 2] that would be their fair share."""
    distances, modes = torch.cdist(samples, centres()).min(1)
    counts = torch.bincount(modes[distances < NEAR], minlength=MODES)
    return int((counts >= len(samples) / MODES / 4).sum())


def network(inputs: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """A multilayer perceptron [N, inputs] → [N, outputs], whose weights hang on `generator` alone."""
    sizes = (inputs, WIDTH, WIDTH, outputs)
    layers = [nn.Linear(before, after) for before, after in zip(sizes, sizes[1:])]
    for layer in layers:
        bound = 1 / math.sqrt(layer.in_features)  # as PyTorch does by default
        nn.init.uniform_(layer.weight, -bound, bound, generator)
        nn.init.uniform_(layer.bias, -bound, bound, generator)
    return nn.Sequential(layers[0], nn.LeakyReLU(0.2), layers[1], nn.LeakyReLU(0.2), layers[2])


def train(gamma: float, seed: int, steps: int = STEPS, moments: int = MOMENTS) -> Iterator[Tensor]:
    """Train a GAN with R1 and R2 of weight γ, or without them for 0; yields the samples [SHOWN, 2] of the same latents
    at so many moments, at equal distances to the end."""
    draws = seeded_generator(seed)
    generator, discriminator = network(2, 2, draws), network(2, 1, draws)
    fixed = torch.randn(SHOWN, 2, generator=draws)
    optimizers = [torch.optim.Adam(part.parameters(), LEARNING_RATE, BETAS) for part in (generator, discriminator)]
    for step in range(1, steps + 1):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, 2 * (1 - (step - 1) / steps))
        generated = generator(torch.randn(BATCH, 2, generator=draws))
        # The penalty is that of images, of which a point is one of 1 × 1 pixels and two channels.
        real, fake = (
            points.unflatten(1, (2, 1, 1)).requires_grad_(gamma > 0)
            for points in (real_points(BATCH, draws), generated.detach())
        )
        real_logits, fake_logits = discriminator(real.flatten(1))[:, 0], discriminator(fake.flatten(1))[:, 0]
        objective = loss.discriminator(real_logits, fake_logits)
        if gamma:
            r1, r2 = zero_centred_gradient_penalty(real, real_logits), zero_centred_gradient_penalty(fake, fake_logits)
            objective = objective + gamma / 2 * (r1 + r2)
        descend(optimizers[1], objective)
        descend(optimizers[0], loss.generator(real_logits.detach(), discriminator(generated)[:, 0]))
        if step * moments // steps != (step - 1) * moments // steps:
            yield generator(fixed).detach()


def descend(optimizer: torch.optim.Optimizer, objective: Tensor) -> None:
    """One step of a network's optimiser; what the objective leaves in the other network is cleared before its own."""
    optimizer.zero_grad()
    objective.backward()
    optimizer.step()


class Collapse(Lesson):
    """Two trainings side by side, as they go on."""

    name = "collapse"
    place = 4
    title = Sentence("Collapse on purpose")
    question = Sentence(
        "The real points lie in eight clusters around a circle. Two small GANs are now trained on them, here and "
        "before your eyes; they differ only in the gradient penalty, which forbids the discriminator steep slopes. "
        "Which one finds all eight clusters?"
    )
    choices = (Sentence("The one without the penalty."), Sentence("The one with the penalty."), Sentence("Both."))
    right = 1
    conclusion = Sentence(
        "Without the penalty the discriminator becomes as steep as a cliff, and all samples rush to whichever cluster "
        "it believes in at the moment: the model collapses. The penalty keeps its slopes gentle, so that the samples "
        "spread to all clusters. The settings are chosen so that it shows: with gentler ones a GAN may do without, and "
        "even here chance may spare one or ruin one. Most recipes of this studio have the penalty R1."
    )
    dial = Sentence("Moment")
    again = Sentence("Train again")

    def __init__(self) -> None:
        self._trained: OrderedDict[int, list[tuple[Tensor, Tensor]]] = OrderedDict()

    @property
    def stops(self) -> int:
        return MOMENTS

    @property
    def first_stop(self) -> int:
        return MOMENTS - 1

    def reveal(self, seed: int) -> Iterator[str]:
        seen = []
        for moment in zip(train(0, seed), train(GAMMA, seed)):
            seen.append(moment)
            yield drawn(*moment, len(seen) - 1)
        self._trained[seed] = seen
        while len(self._trained) > KEPT:
            self._trained.popitem(last=False)

    def show(self, seed: int, stop: int) -> str:
        if seed not in self._trained:
            for _ in self.reveal(seed):
                pass
        return drawn(*self._trained[seed][stop], stop)


def drawn(without: Tensor, penalised: Tensor, moment: int) -> str:
    """The samples of both at a moment, counted from 0."""
    real = real_points(SHOWN, seeded_generator(0))
    clouds = [
        cloud([("real", real), ("generated", samples)], 1.6, said)
        for samples, said in (
            (
                without,
                t("Without the penalty: {count} of {all} clusters reached", count=modes_reached(without), all=MODES),
            ),
            (
                penalised,
                t("With the penalty: {count} of {all} clusters reached", count=modes_reached(penalised), all=MODES),
            ),
        )
    ]
    step = t("step {step:,}", step=(moment + 1) * STEPS // MOMENTS)
    done = " done" if moment == MOMENTS - 1 else ""
    return f'<div class="pair{done}">{"".join(clouds)}</div><p>{step}</p>'


lessons.register(Collapse.name, Collapse())
