"""Adversarial losses and gradient penalties, as equations.

All take logits [N] as the discriminator returns them (no sigmoid) and give a scalar to minimise. The second
argument of a relativistic loss pairs image i of one kind with image i of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class AdversarialLoss:
    """A pair of objectives, each a function of (real_logits, fake_logits)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]


losses = {
    # Goodfellow et al. 2014, equation 1, and the non-saturating generator objective of its section 3.
    "non_saturating": AdversarialLoss(
        discriminator=lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        generator=lambda real, fake: softplus(-fake).mean(),
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
    # Arjovsky et al. 2017, algorithm 1; to be used with the gradient penalty below.
    "wasserstein": AdversarialLoss(
        discriminator=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda real, fake: -fake.mean(),
    ),
    # Jolicoeur-Martineau 2018 (RpGAN); Huang et al. 2024, equation 2.
    "relativistic": AdversarialLoss(
        discriminator=lambda real, fake: softplus(fake - real).mean(),
        generator=lambda real, fake: softplus(real - fake).mean(),
    ),
}


def zero_centred_gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """E‖∇ logits‖² over images [N, C, H, W] that require grad (Mescheder et al. 2018, equation 9), without γ/2.

    On real images this is R1, on generated ones R2.
    """
    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3)).mean()


def wasserstein_gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mixing: Tensor
) -> Tensor:
    """E(‖∇ D(x̂)‖ − 1)² on lines between real and generated images (Gulrajani et al. 2017, equation 3), without λ.

    `mixing` is uniform in [0, 1], shape [N, 1, 1, 1].
    """
    between = torch.lerp(real, fake, mixing).requires_grad_(True)
    (gradients,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return (gradients.square().sum((1, 2, 3)).sqrt() - 1).square().mean()
