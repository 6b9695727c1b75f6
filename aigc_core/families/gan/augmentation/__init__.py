"""Differentiable augmentation of what the discriminator sees, for when data are scarce.

Every augmentation is called as `augment(images, generator)`: images float [N, C, H, W] in [-1, 1], random numbers from
a CPU generator; it is differentiable with respect to the images, twice. Every module in this package registers its
augmentations when imported, so adding one is adding a file; code outside calls `register` in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.families.base import StepState
from aigc_core.registry import Registry


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


AugmentationType = TypeVar("AugmentationType", bound=type[Augmentation])
augmentations: Registry[type[Augmentation]] = Registry("augmentation", __name__)
augmentations.register("none", Augmentation)


def register(name: str) -> Callable[[AugmentationType], AugmentationType]:
    """Make an augmentation known under a name. Raises AIGCError if the name is taken by another one."""

    def add(augmentation: AugmentationType) -> AugmentationType:
        augmentations.register(name, augmentation)
        return augmentation

    return add


def build_augmentation(name: str, config: dict[str, Any]) -> Augmentation:
    """The augmentation of that name. Raises AIGCError for an unknown name or setting."""
    augmentation = augmentations[name]
    return augmentation(parse_config(augmentation.config_type, config, SETTINGS, "method_config.augmentation_config"))
