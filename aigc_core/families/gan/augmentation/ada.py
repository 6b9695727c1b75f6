"""Adaptive augmentation, as strong as the discriminator overfits."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from aigc_core.config import Config
from aigc_core.rng import to_device

from . import Augmentation, register
from .interpolation import interpolate_mirrored


class AdaptiveAugmentationConfig(Config):
    """`target` of how much the discriminator overfits; at full speed, p goes from 0 to 1 in `images_to_one` images."""

    target: float = 0.6
    images_to_one: float = Field(default=500_000, gt=0)


@register("ada")
class AdaptiveAugmentation(Augmentation):
    """ADA (Karras et al. 2020a, section 3): each transformation is applied with probability `p`, and `p` follows how
    much the discriminator overfits, r = E[sign D(real)], towards `target`.

    Horizontal flip, translation, isotropic and anisotropic scaling, rotation, brightness, contrast and saturation.
    """

    config_type = AdaptiveAugmentationConfig
    p: Tensor

    def __init__(self, config: AdaptiveAugmentationConfig) -> None:
        super().__init__(config)
        self.target, self.images_to_one = config.target, config.images_to_one
        self.register_buffer("p", torch.zeros(()))

    @torch.no_grad()
    def update(self, real_logits: Tensor) -> None:
        """Move `p` by one batch of logits [N] on real images, without waiting for the device."""
        direction = torch.sign(torch.sign(real_logits).mean() - self.target)
        self.p.add_(direction * len(real_logits) / self.images_to_one).clamp_(0, 1)

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        size, device = len(images), images.device

        def applied(values: Tensor, neutral: float) -> Tensor:
            chosen = to_device(torch.rand(size, generator=generator), device) < self.p
            return torch.where(chosen, to_device(values, device), neutral)

        def uniform(low: float, high: float) -> Tensor:
            return torch.rand(size, generator=generator) * (high - low) + low

        def log_normal(deviation: float) -> Tensor:
            return torch.exp2(torch.randn(size, generator=generator) * deviation)

        flip = applied(torch.sign(uniform(-1, 1)), 1.0)
        angle = applied(uniform(-math.pi, math.pi), 0.0)
        scale, stretch = applied(log_normal(0.2), 1.0), applied(log_normal(0.2), 1.0)
        shift_x, shift_y = applied(uniform(-0.25, 0.25), 0.0), applied(uniform(-0.25, 0.25), 0.0)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        # From output to input coordinates in [-1, 1], as affine_grid wants it.
        matrix = torch.stack(
            [
                torch.stack([flip * cosine / (scale * stretch), -flip * sine / (scale * stretch), shift_x], 1),
                torch.stack([sine * stretch / scale, cosine * stretch / scale, shift_y], 1),
            ],
            1,
        )
        grid = functional.affine_grid(matrix.to(images.dtype), list(images.shape), align_corners=False)
        moved = interpolate_mirrored(images, grid)
        brightness, contrast = applied(torch.randn(size, generator=generator) * 0.2, 0.0), applied(log_normal(0.5), 1.0)
        moved = moved * contrast.view(-1, 1, 1, 1) + brightness.view(-1, 1, 1, 1)
        if images.shape[1] == 3:
            saturation = applied(log_normal(1.0), 1.0).view(-1, 1, 1, 1)
            grey = moved.mean(1, keepdim=True)
            moved = grey + saturation * (moved - grey)
        return moved
