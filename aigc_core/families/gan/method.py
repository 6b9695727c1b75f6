"""Adversarial training: the discriminator learns to tell real images from generated ones, the generator to deceive it.

Each objective is the adversarial loss (`losses.py`) plus the terms of the recipe's parts (`parts/`).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from aigc_core.families.base import Batch, StepState

from .base import GANConfig, GANTraining, measured, statistics, total
from .parts import Term


class AdversarialConfig(GANConfig):
    """`discriminator_steps`: how many steps of the discriminator go before each one of the generator."""

    discriminator_steps: int = Field(default=1, ge=1)


class AdversarialTraining(GANTraining):
    """Alternating steps (Goodfellow et al. 2014, algorithm 1)."""

    config_type = AdversarialConfig
    config: AdversarialConfig

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train both networks on one batch; samples float [N, C, H, W] in [-1, 1].

        The generator learns from the images of the last discriminator step, unless a part of the recipe holds it.
        """
        self.follow_schedules(state)
        held = any(part.holds_generator(state) for part in self.parts)
        for remaining in reversed(range(self.config.discriminator_steps)):
            with torch.set_grad_enabled(not remaining and not held):
                generated = self.generate(batch.classes, state)
            log = self.discriminator_step(batch, generated.detach(), state)
        return log if held else log | self.generator_step(batch, generated, state)

    def discriminator_step(self, batch: Batch, generated: Tensor, state: StepState) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(True)
        real, fake = self.judge_both(batch, generated, state)
        terms = {"discriminator_loss": Term(self.loss.discriminator(real.logits, fake.logits))}
        for part in self.parts:
            terms |= part.discriminator_terms(real, fake, state)
        self.descend("discriminator", total(terms))
        self.after_discriminator_step(real, fake)
        return measured(terms) | statistics(real, fake)

    def generator_step(self, batch: Batch, generated: Tensor, state: StepState) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        augmented = self.augment(generated, state)
        with self.accelerator.autocast():
            fake = self.judge(augmented, batch.classes)
        real_logits = self.logits_of_real(batch, state) if self.loss.relativistic else fake.logits
        terms = {"generator_loss": Term(self.loss.generator(real_logits, fake.logits))}
        for part in self.parts:
            terms |= part.generator_terms(fake, state)
        self.descend("generator", total(terms))
        return measured(terms)

    @torch.no_grad()
    def logits_of_real(self, batch: Batch, state: StepState) -> Tensor:
        """The logits [N] of the batch's real images, augmented anew, as the generator's objective reads them."""
        augmented = self.augment(batch.samples, state)
        with self.accelerator.autocast():
            return self.judge(augmented, batch.classes).logits
