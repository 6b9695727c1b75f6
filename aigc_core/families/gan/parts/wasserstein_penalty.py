"""The gradient penalty of Wasserstein GANs: gradients between real and generated images are pulled to length one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from aigc_core.config import Config
from aigc_core.families.base import StepState
from aigc_core.families.gan.discriminator import check_penalisable
from aigc_core.families.gan.verdict import Verdict
from aigc_core.families.schedule import NonNegativeSchedule, value_at

from . import Part, Setup, Term, register


def wasserstein_gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mixing: Tensor
) -> Tensor:
    """E(‖∇ D(x̂)‖ − 1)² on lines between real and generated images (Gulrajani et al. 2017, equation 3), without λ.

    `mixing` is uniform in [0, 1], shape [N, 1, 1, 1].
    """
    between = torch.lerp(real, fake, mixing).requires_grad_(True)
    (gradients,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return (gradients.square().sum((1, 2, 3)).sqrt() - 1).square().mean()


class WassersteinPenaltyConfig(Config):
    """`weight`: λ."""

    weight: NonNegativeSchedule = 10.0


@register
class WassersteinPenalty(Part):
    """λ E(‖∇D‖ − 1)², in every step."""

    name = "wasserstein_penalty"
    config_type = WassersteinPenaltyConfig
    one_stage = True

    def __init__(self, config: WassersteinPenaltyConfig, setup: Setup) -> None:
        check_penalisable(setup.discriminator)
        self.weight, self.discriminator = config.weight, setup.discriminator

    def discriminator_terms(self, real: Verdict, fake: Verdict, state: StepState) -> dict[str, Term]:
        penalty = wasserstein_gradient_penalty(
            lambda between: self.discriminator(between, real.labels),
            real.images.detach(),
            fake.images.detach(),
            state.draws.uniform(1, 1, 1),
        )
        return {"wasserstein_penalty": Term(penalty, value_at(self.weight, state))}
