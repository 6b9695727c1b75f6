"""Arithmetic of latents: A − B + C (Radford et al. 2016, section 6.3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from aigc_core.families.base import Condition, LatentModel


def difference_added(model: LatentModel, codes: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
    """Codes [1, …] and condition of A − B + C from the codes [3, …] and the condition of A, B and C.

    The sum of three independent codes lies farther from the centre than a model has learnt to decode. So it gives the
    direction, and the distance is that of A, less that of B, plus that of C, between the least and the greatest of
    them: A − B + B is A. Of class weights, those below 0 are left out.
    """
    centre = model.code_centre
    offsets = codes - centre
    signs = torch.tensor([1.0, -1.0, 1.0], device=codes.device).view(3, *[1] * (codes.ndim - 1))
    total = (signs * offsets).sum(0, keepdim=True)
    radii = offsets.flatten(1).norm(dim=1)
    radius = (radii[0] - radii[1] + radii[2]).clamp(radii.min(), radii.max())
    moved = centre + total * (radius / total.norm().clamp(min=1e-12))
    classes = (condition.classes[:1] - condition.classes[1:2] + condition.classes[2:]).clamp(min=0)
    return moved, Condition(classes / classes.sum(1, keepdim=True))
