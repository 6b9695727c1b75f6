"""DiffAugment: a few strong transformations of every image."""

from __future__ import annotations

import torch
from torch import Tensor

from aigc_core.rng import to_device

from . import Augmentation, register


@register("diffaugment")
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
