"""One-stage training: both networks learn from one pass through the discriminator instead of two (Shen et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from aigc_core.errors import AIGCError
from aigc_core.families.base import Batch, StepState

from .base import GANConfig, GANTraining, measured, statistics, total
from .parts import Term


class OneStageConfig(GANConfig):
    """For losses whose two gradients on a generated image are multiples of each other that never vanish."""


class OneStageTraining(GANTraining):
    """The generator's gradients are the discriminator's on the generated images, rescaled image by image.

    The constructor raises AIGCError for a loss, a part of the recipe, or a discriminator with which they are not.
    """

    config_type = OneStageConfig

    def __init__(self, *arguments, **settings) -> None:
        super().__init__(*arguments, **settings)
        if not self.loss.proportional:
            raise AIGCError("one_stage needs the loss non_saturating, wasserstein or relativistic.")
        for part in self.parts:
            if not part.one_stage:
                raise AIGCError(
                    "one_stage cannot train with {name}; leave it out or use the method adversarial.", name=part.name
                )
        if self.batch_coupled:
            raise AIGCError("one_stage needs a discriminator that judges every image by itself.")

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train both networks on one batch; samples float [N, C, H, W] in [-1, 1]."""
        self.follow_schedules(state)
        generated = self.generate(batch.classes, state)
        # This copy collects the discriminator's gradients on the generated images.
        judged = generated.detach().requires_grad_()
        real, fake = self.judge_both(batch, judged, state)
        terms = {"discriminator_loss": Term(self.loss.discriminator(real.logits, fake.logits))}
        for part in self.parts:
            terms |= part.discriminator_terms(real, fake, state)
        self.descend("discriminator", total(terms))
        loss, ratios = self.generator_loss(real.logits.detach(), fake.logits.detach())
        assert judged.grad is not None
        self.descend("generator", generated, judged.grad * ratios[:, None, None, None])
        self.after_discriminator_step(real, fake)
        return measured(terms) | statistics(real, fake) | {"generator_loss": loss}

    def generator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The generator's loss L_G, and (∂L_G/∂logit) / (∂L_D/∂logit) of each generated image [N]: what makes its
        gradients of the discriminator's (Shen et al. 2021, section 3.2)."""
        fake_logits.requires_grad_()
        loss = self.loss.generator(real_logits, fake_logits)
        (of_discriminator,) = torch.autograd.grad(self.loss.discriminator(real_logits, fake_logits), fake_logits)
        (of_generator,) = torch.autograd.grad(loss, fake_logits)
        return loss.detach(), of_generator / of_discriminator
