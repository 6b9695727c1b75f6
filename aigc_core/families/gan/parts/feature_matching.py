"""Feature matching: the generator pulls each class's mean features towards those of the real images."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.errors import AIGCError
from aigc_core.families.base import StepState
from aigc_core.families.gan.discriminator import FeatureDiscriminator
from aigc_core.families.gan.verdict import Verdict

from . import Part, Setup, Term, register

# One batch holds too few images of a class to tell its mean: sums run over about the last 500 batches.
MEMORY = 0.998


class FeatureDistance(nn.Module):
    """½ Σ p(c) ‖(μ_generated(c) − μ_real(c)) / σ‖² over the classes c (Salimans et al. 2016, equation 3, by class).

    μ(c) are means and σ² variances of the discriminator's features, which change slowly; the gradient is that of the
    batch in hand alone. Without classes all images are of one.
    """

    real_sums: Tensor
    generated_sums: Tensor
    weights: Tensor
    real_squares: Tensor

    def __init__(self, num_classes: int, num_features: int) -> None:
        super().__init__()
        classes = max(1, num_classes)
        self.register_buffer("real_sums", torch.zeros(classes, num_features))
        self.register_buffer("generated_sums", torch.zeros(classes, num_features))
        self.register_buffer("weights", torch.zeros(classes))
        self.register_buffer("real_squares", torch.zeros(num_features))

    @torch.no_grad()
    def update(self, real: Tensor, generated: Tensor, labels: Tensor) -> None:
        """Count in a batch: features float [N, F] of real and generated images of the same labels [N, num_classes]."""
        labels = self._classes(labels)
        for average, value in (
            (self.real_sums, labels.T @ real / len(real)),
            (self.generated_sums, labels.T @ generated / len(generated)),
            (self.weights, labels.mean(0)),
            (self.real_squares, real.square().mean(0)),
        ):
            average.lerp_(value, 1 - MEMORY)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The distance as a scalar, whose gradient flows into the generated images' features [N, F].

        It fades in while the memory fills. At least one batch must have been counted in.
        """
        # Averages start at zero, and an image's labels sum to one: this is how much of the memory is filled.
        gathered = self.weights.sum()
        gaps = (self.generated_sums - self.real_sums) / self.weights.clamp(min=1e-6)[:, None]
        variances = self.real_squares / gathered - (self.real_sums.sum(0) / gathered).square()
        # A feature that hardly varies at all says nothing.
        pulls = gathered * gaps / (variances.clamp(min=0) + 0.01 * variances.mean() + 1e-8)
        distance = (gaps * pulls).sum(1) @ self.weights / (2 * gathered)
        along = (features * (self._classes(labels) @ pulls)).sum(1).mean()
        return distance + along - along.detach()

    def _classes(self, labels: Tensor) -> Tensor:
        return labels if labels.shape[1] else labels.new_ones(len(labels), 1)


class FeatureMatchingConfig(Config):
    weight: float = Field(ge=0)


@register
class FeatureMatching(Part):
    """The distance between the classes' mean features of real and of generated images, in the generator's objective."""

    name = "feature_matching"
    config_type = FeatureMatchingConfig
    reads_features = True

    def __init__(self, config: FeatureMatchingConfig, setup: Setup) -> None:
        if not isinstance(setup.discriminator, FeatureDiscriminator):
            raise AIGCError("feature_matching needs a discriminator that shows its features, as dcgan's does.")
        self.weight, self.accelerator = config.weight, setup.accelerator
        self.module = self.distance = FeatureDistance(setup.image_shape.num_classes, setup.discriminator.num_features)

    def after_discriminator_step(self, real: Verdict, fake: Verdict) -> None:
        self.distance.update(*self.accelerator.gather((real.features, fake.features, real.labels)))

    def generator_terms(self, fake: Verdict, state: StepState) -> dict[str, Term]:
        return {"feature_distance": Term(self.distance(fake.features, fake.labels), self.weight)}
