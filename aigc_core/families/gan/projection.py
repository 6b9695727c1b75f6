"""A discriminator that is told the class by projection (Miyato & Koyama 2018, equation 3)."""

from __future__ import annotations

from torch import Tensor, nn

from .discriminator import ClassifyingDiscriminator


class ProjectionDiscriminator(ClassifyingDiscriminator):
    """images [N, channels, R, R] in [-1, 1], labels [N, num_classes] → logits [N].

    A subclass has `features(images)` and sets two linear maps: `to_logit` of the features and, where there are
    classes, `projection` of the labels onto them.
    """

    to_logit: nn.Linear
    projection: nn.Linear | None

    @property
    def num_features(self) -> int:
        return self.to_logit.in_features

    def class_scores(self, features: Tensor) -> Tensor:
        assert self.projection is not None
        return self.to_logit(features) + features @ self.projection.weight

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.projection is None:
            return self.to_logit(features).squeeze(1)
        return (self.class_scores(features) * labels).sum(1)
