"""Generative adversarial networks (Goodfellow et al. 2014)."""

from aigc_core.families.base import Family, ModelSpec, families

from .generator import GANOptions, Generator
from .method import AdversarialTraining
from .networks import build_generator, image_shape_of
from .one_stage import OneStageTraining


def _build(spec: ModelSpec) -> Generator:
    return build_generator(spec.architecture, dict(spec.architecture_config), image_shape_of(spec))


GAN = families.register(
    "gan", Family(_build, {"adversarial": AdversarialTraining, "one_stage": OneStageTraining}, GANOptions)
)
