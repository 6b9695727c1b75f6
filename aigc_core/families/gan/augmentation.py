"""Differentiable augmentation of what the discriminator sees, for when data are scarce.

Every augmentation is called as `augment(images, generator)`: images float [N, C, H, W] in [-1, 1], random numbers from
a CPU generator; it is differentiable with respect to the images.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError
from aigc_core.families.base import StepState
from aigc_core.rng import to_device


class AugmentationConfig(Config):
    """No settings."""


class Augmentation(nn.Module):
    """What all augmentations share; this one leaves images as they are."""

    config_type: ClassVar[type[Config]] = AugmentationConfig

    def __init__(self, config: Any) -> None:
        super().__init__()

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return images

    def follow(self, state: StepState) -> None:
        """Take on the values that schedules have in this step; here nothing is scheduled."""

    def update(self, real_logits: Tensor) -> None:
        """Adapt to the logits [N] of a batch of real images; here nothing adapts."""


class DiffAugment(Augmentation):
    """Colour, translation by up to 1/8 and cutout of half the side, on every image (Zhao et al. 2020, section 3)."""

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        size, side = len(images), images.shape[-1]

        def uniform() -> Tensor:
            return to_device(torch.rand(size, 1, 1, 1, generator=generator), images.device)

        images = images + (uniform() - 0.5)
        if images.shape[1] == 3:
            grey = images.mean(1, keepdim=True)
            images = grey + 2 * uniform() * (images - grey)
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean + (0.5 + uniform()) * (images - mean)
        reach = side // 8
        shift_y, shift_x = (torch.floor(uniform() * (2 * reach + 1)) - reach for _ in range(2))
        images = _shifted(images, shift_y.view(-1), shift_x.view(-1))
        centre_y, centre_x = (torch.floor(uniform() * side) for _ in range(2))
        line = torch.arange(side, device=images.device)
        inside_y = (line.view(1, 1, -1, 1) - centre_y).abs() < side / 4
        inside_x = (line.view(1, 1, 1, -1) - centre_x).abs() < side / 4
        return images * ~(inside_y & inside_x)


def _shifted(images: Tensor, shift_y: Tensor, shift_x: Tensor) -> Tensor:
    """Move image n by whole pixels shift_y[n] down and shift_x[n] right; what comes in is zero."""
    side = images.shape[-1]
    line = torch.arange(side, device=images.device)
    rows, columns = line - shift_y.view(-1, 1).long(), line - shift_x.view(-1, 1).long()
    known = ((rows >= 0) & (rows < side)).unsqueeze(2) & ((columns >= 0) & (columns < side)).unsqueeze(1)
    image = torch.arange(len(images), device=images.device).view(-1, 1, 1)
    gathered = images.permute(0, 2, 3, 1)[
        image, rows.clamp(0, side - 1).unsqueeze(2), columns.clamp(0, side - 1).unsqueeze(1)
    ]
    return (gathered * known.unsqueeze(3)).permute(0, 3, 1, 2)


class AdaptiveAugmentationConfig(Config):
    """`target` of how much the discriminator overfits; at full speed, p goes from 0 to 1 in `images_to_one` images."""

    target: float = 0.6
    images_to_one: float = Field(default=500_000, gt=0)


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
        moved = _bilinear(images, grid)
        brightness, contrast = applied(torch.randn(size, generator=generator) * 0.2, 0.0), applied(log_normal(0.5), 1.0)
        moved = moved * contrast.view(-1, 1, 1, 1) + brightness.view(-1, 1, 1, 1)
        if images.shape[1] == 3:
            saturation = applied(log_normal(1.0), 1.0).view(-1, 1, 1, 1)
            grey = moved.mean(1, keepdim=True)
            moved = grey + saturation * (moved - grey)
        return moved


def _bilinear(images: Tensor, grid: Tensor) -> Tensor:
    """Bilinear sampling of images [N, C, H, W] at grid [N, H, W, 2], mirrored at the borders.

    Written with gathers, since grid_sample has no second derivative, which gradient penalties need.
    """
    height, width = images.shape[2:]

    def mirrored(position: Tensor, side: int) -> Tensor:
        position = (position + 0.5).remainder(2 * side)
        return torch.minimum(position, 2 * side - position).sub(0.5).clamp(0, side - 1)

    x = mirrored(((grid[..., 0] + 1) * width - 1) / 2, width)
    y = mirrored(((grid[..., 1] + 1) * height - 1) / 2, height)
    left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
    right_share, bottom_share = (x - left).unsqueeze(3), (y - top).unsqueeze(3)
    columns, rows = left.long(), top.long()
    pixels = images.permute(0, 2, 3, 1)
    image = torch.arange(len(images), device=images.device).view(-1, 1, 1)
    above = torch.lerp(pixels[image, rows, columns], pixels[image, rows, columns + 1], right_share)
    below = torch.lerp(pixels[image, rows + 1, columns], pixels[image, rows + 1, columns + 1], right_share)
    return torch.lerp(above, below, bottom_share).permute(0, 3, 1, 2)


augmentations: dict[str, type[Augmentation]] = {
    "none": Augmentation,
    "diffaugment": DiffAugment,
    "ada": AdaptiveAugmentation,
}


def build_augmentation(name: str, config: dict[str, Any]) -> Augmentation:
    """The augmentation of that name. Raises AIGCError for an unknown name or setting."""
    if name not in augmentations:
        raise AIGCError(f"There is no augmentation '{name}'; there are {', '.join(augmentations)}.")
    augmentation = augmentations[name]
    return augmentation(parse_config(augmentation.config_type, config, "augmentation_config"))
