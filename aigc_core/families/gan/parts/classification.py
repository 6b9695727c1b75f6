"""Auxiliary classification: the discriminator learns the classes, and the generator to be recognised as its own."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from aigc_core.config import Config
from aigc_core.errors import AIGCError
from aigc_core.families.base import StepState
from aigc_core.families.gan.discriminator import ClassifyingDiscriminator
from aigc_core.families.gan.verdict import Verdict

from . import Part, Setup, Term, register


class ClassificationConfig(Config):
    weight: float = Field(ge=0)


@register
class Classification(Part):
    """The cross-entropy of the discriminator's class scores: on real images in its own step, on generated ones in the
    generator's (Odena et al. 2017, section 3)."""

    name = "classification"
    config_type = ClassificationConfig
    reads_class_scores = True

    def __init__(self, config: ClassificationConfig, setup: Setup) -> None:
        if not (setup.image_shape.num_classes and isinstance(setup.discriminator, ClassifyingDiscriminator)):
            raise AIGCError("classification needs classes and a discriminator that scores them, as dcgan has.")
        self.weight = config.weight

    def discriminator_terms(self, real: Verdict, fake: Verdict, state: StepState) -> dict[str, Term]:
        return {"real_class_loss": Term(_class_loss(real), self.weight)}

    def generator_terms(self, fake: Verdict, state: StepState) -> dict[str, Term]:
        return {"fake_class_loss": Term(_class_loss(fake), self.weight)}


def _class_loss(verdict: Verdict) -> Tensor:
    return cross_entropy(verdict.class_scores, verdict.labels, reduction="none").mean()
