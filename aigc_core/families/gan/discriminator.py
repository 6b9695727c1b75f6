"""What discriminators can declare beyond judging images, by inheriting from the classes below.

A discriminator is any module that is called as `discriminator(images, labels)`: images float [N, C, H, W] in about
[-1, 1], labels float [N, num_classes] ([N, 0] without classes) → logits [N], no sigmoid applied.
"""

from __future__ import annotations

from torch import Tensor, nn

from aigc_core.errors import AIGCError


class BatchCoupled:
    """An image's logit depends on the others of its batch, through anything but batch normalisation."""


class FeatureDiscriminator(nn.Module):
    """A discriminator whose logits are read from features of the images alone."""

    @property
    def num_features(self) -> int:
        raise NotImplementedError

    def features(self, images: Tensor) -> Tensor:
        """What logits are read from: [N, num_features]."""
        raise NotImplementedError

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """The logit of each image, given its features [N, num_features] and labels [N, num_classes]: [N]."""
        raise NotImplementedError

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.logits(self.features(images), labels)


class ClassifyingDiscriminator(FeatureDiscriminator):
    """A discriminator that scores every class; with classes, logits are the scores weighed by the labels."""

    def class_scores(self, features: Tensor) -> Tensor:
        """The logit of each image, given its features [N, num_features], as each class: [N, num_classes]."""
        raise NotImplementedError


def normalises_by_batch(discriminator: nn.Module) -> bool:
    """Whether it has batch normalisation."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in discriminator.modules())


def is_batch_coupled(discriminator: nn.Module) -> bool:
    """Whether an image's logit depends on the others of its batch."""
    return isinstance(discriminator, BatchCoupled) or normalises_by_batch(discriminator)


def check_penalisable(discriminator: nn.Module) -> None:
    """Raise AIGCError where the gradient of one image's logit is not defined by that image."""
    if normalises_by_batch(discriminator):
        raise AIGCError("A gradient penalty needs a discriminator without batch normalisation; drop one of them.")
