"""Adversarial losses, as equations.

All take logits [N] as the discriminator returns them (no sigmoid) and give a scalar to minimise. The second
argument of a relativistic loss pairs image i of one kind with image i of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class AdversarialLoss:
    """A pair of objectives, each a function of (real_logits, fake_logits).

    `relativistic`: the generator's objective reads the real logits. `proportional`: its two gradients on a generated
    image's logit are multiples of each other that never vanish.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    relativistic: bool = False
    proportional: bool = False


losses = {
    # Goodfellow et al. 2014, equation 1, and the non-saturating generator objective of its section 3.
    "non_saturating": AdversarialLoss(
        discriminator=lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        generator=lambda real, fake: softplus(-fake).mean(),
        proportional=True,
    ),
    # Lim & Ye 2017; Miyato et al. 2018, equations 16 and 17.
    "hinge": AdversarialLoss(
        discriminator=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        generator=lambda real, fake: -fake.mean(),
    ),
    # Mao et al. 2017, equation 9 (targets 0 and 1).
    "least_squares": AdversarialLoss(
        discriminator=lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
        generator=lambda real, fake: (fake - 1).square().mean() / 2,
    ),
    # Arjovsky et al. 2017, algorithm 1; to be used with the Wasserstein penalty.
    "wasserstein": AdversarialLoss(
        discriminator=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda real, fake: -fake.mean(),
        proportional=True,
    ),
    # Jolicoeur-Martineau 2018 (RpGAN); Huang et al. 2024, equation 2.
    "relativistic": AdversarialLoss(
        discriminator=lambda real, fake: softplus(fake - real).mean(),
        generator=lambda real, fake: softplus(real - fake).mean(),
        relativistic=True,
        proportional=True,
    ),
}
