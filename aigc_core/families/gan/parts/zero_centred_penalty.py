"""R1 and R2: the discriminator's gradient by the images is pulled to zero (Mescheder et al. 2018, section 4.1)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from aigc_core.config import Config
from aigc_core.families.base import StepState
from aigc_core.families.gan.discriminator import check_penalisable
from aigc_core.families.gan.verdict import Verdict
from aigc_core.families.schedule import NonNegativeSchedule, value_at

from . import Part, Setup, Term, register


def zero_centred_gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """E‖∇ logits‖² over images [N, C, H, W] that require grad (Mescheder et al. 2018, equation 9), without γ/2.

    On real images this is R1, on generated ones R2.
    """
    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3)).mean()


class ZeroCentredPenaltyConfig(Config):
    """Weight γ of γ/2 · E‖∇D‖², computed in every `interval`-th step and scaled up accordingly (lazy regularisation,
    Karras et al. 2020, section 3.1)."""

    gamma: NonNegativeSchedule = 1.0
    interval: int = Field(default=8, ge=1)


class ZeroCentredPenalty(Part):
    """What R1 and R2 share."""

    config_type = ZeroCentredPenaltyConfig

    def __init__(self, config: ZeroCentredPenaltyConfig, setup: Setup) -> None:
        check_penalisable(setup.discriminator)
        self.config = config

    def is_due(self, state: StepState) -> bool:
        return state.step % self.config.interval == 0

    def term(self, verdict: Verdict, state: StepState) -> dict[str, Term]:
        if not self.is_due(state):
            return {}
        weight = self.config.interval * value_at(self.config.gamma, state) / 2
        return {f"{self.name}_penalty": Term(zero_centred_gradient_penalty(verdict.penalised, verdict.logits), weight)}


@register
class R1(ZeroCentredPenalty):
    """The penalty on real images."""

    name = "r1"
    default = ZeroCentredPenaltyConfig()
    one_stage = True

    def differentiates_real(self, state: StepState) -> bool:
        return self.is_due(state)

    def discriminator_terms(self, real: Verdict, fake: Verdict, state: StepState) -> dict[str, Term]:
        return self.term(real, state)


@register
class R2(ZeroCentredPenalty):
    """The penalty on generated images."""

    name = "r2"

    def differentiates_fake(self, state: StepState) -> bool:
        return self.is_due(state)

    def discriminator_terms(self, real: Verdict, fake: Verdict, state: StepState) -> dict[str, Term]:
        return self.term(fake, state)
