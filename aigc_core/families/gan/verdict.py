"""What the discriminator makes of a batch of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from accelerate import Accelerator
from torch import Tensor, nn

from aigc_core.families.compile import maybe_compile

from .discriminator import ClassifyingDiscriminator, FeatureDiscriminator


class Verdict(NamedTuple):
    """N images as the discriminator saw them, float [N, C, H, W], with what it makes of them.

    `penalised`: the images by which gradient penalties differentiate the logits, the same or those before
    augmentation. `labels` [N, num_classes], `logits` [N], `features` [N, num_features] and `class_scores`
    [N, num_classes]; the last two have no columns where no part of the recipe reads them.
    """

    images: Tensor
    penalised: Tensor
    labels: Tensor
    logits: Tensor
    features: Tensor
    class_scores: Tensor

    def split(self, count: int) -> tuple[Verdict, Verdict]:
        """That of the first `count` images, and the others'."""
        return Verdict(*(each[:count] for each in self)), Verdict(*(each[count:] for each in self))


class Judge:
    """Runs a discriminator and keeps what is read of its way from images to logits.

    Features and class scores are computed only where they are read, as not every discriminator has them.
    """

    def __init__(
        self, discriminator: nn.Module, accelerator: Accelerator, *, reads_features: bool, reads_class_scores: bool
    ) -> None:
        self.features_of = (
            discriminator
            if (reads_features or reads_class_scores) and isinstance(discriminator, FeatureDiscriminator)
            else None
        )
        self.scores_of = (
            discriminator if reads_class_scores and isinstance(discriminator, ClassifyingDiscriminator) else None
        )
        self.network: Callable[..., Tensor] = discriminator if self.features_of is None else self.features_of.features
        self.compiled = maybe_compile(self.network, accelerator)

    def __call__(
        self, images: Tensor, labels: Tensor, *, penalised: Tensor | None = None, twice: bool = False
    ) -> Verdict:
        """`twice`: a penalty will differentiate the logits twice, which compiled code does not allow."""
        network = self.network if twice else self.compiled
        nothing = images.new_zeros(len(images), 0)
        features = class_scores = nothing
        if self.features_of is None:
            logits = network(images, labels).float()
        else:
            raw = network(images)
            features = raw.float()
            if self.scores_of is None:
                logits = self.features_of.logits(raw, labels).float()
            else:
                class_scores = self.scores_of.class_scores(raw).float()
                logits = (class_scores * labels).sum(1)
        return Verdict(images, images if penalised is None else penalised, labels, logits, features, class_scores)
