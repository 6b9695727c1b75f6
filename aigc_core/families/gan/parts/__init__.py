"""Parts of a GAN's recipe: terms of the objectives beside the adversarial loss, and rules of the step.

A recipe asks for a part under its name in `method_config`, with the part's own settings (`r1: {gamma: 0.1}`); null
leaves it out. Every module in this package registers its parts when imported, so adding a part is adding a file; code
outside the package calls `register` in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

from accelerate import Accelerator
from pydantic import create_model
from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.families.base import StepState
from aigc_core.families.gan.networks import ImageShape
from aigc_core.families.gan.verdict import Verdict
from aigc_core.registry import Registry


class Term(NamedTuple):
    """A scalar term of an objective, logged unweighted and multiplied by `weight` in the objective."""

    value: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Setup:
    """What a part is built from."""

    discriminator: nn.Module
    image_shape: ImageShape
    accelerator: Accelerator


class Part:
    """A part as the training methods see it; subclasses override the hooks that they need.

    `__init__` raises AIGCError if the networks or the classes do not fit the part.
    """

    name: ClassVar[str]
    """Its name in recipes."""
    config_type: ClassVar[type[Config]]
    default: ClassVar[Config | None] = None
    """Its settings in a recipe that does not name it; None leaves it out."""
    one_stage: ClassVar[bool] = False
    """Whether it works with one-stage training: it adds only to the discriminator's objective, and no term that
    depends on generated images."""
    reads_features: ClassVar[bool] = False
    reads_class_scores: ClassVar[bool] = False
    module: nn.Module | None = None
    """The module, if any, whose state a resumed run needs."""

    def __init__(self, config: Any, setup: Setup) -> None: ...

    def differentiates_real(self, state: StepState) -> bool:
        """Whether this step differentiates with respect to the real images."""
        return False

    def differentiates_fake(self, state: StepState) -> bool:
        """Whether this step differentiates with respect to the generated images."""
        return False

    def discriminator_terms(self, real: Verdict, fake: Verdict, state: StepState) -> dict[str, Term]:
        """The terms that it adds to the discriminator's objective, by the names under which they are logged."""
        return {}

    def after_discriminator_step(self, real: Verdict, fake: Verdict) -> None:
        """Called with the verdicts of each discriminator step."""

    def holds_generator(self, state: StepState) -> bool:
        """Whether the generator must not learn in this step."""
        return False

    def generator_terms(self, fake: Verdict, state: StepState) -> dict[str, Term]:
        """The terms that it adds to the generator's objective, by the names under which they are logged."""
        return {}


parts: Registry[type[Part]] = Registry("part", __name__)
ConfigType = TypeVar("ConfigType", bound=Config)


def register(part: type[Part]) -> type[Part]:
    """Register a part under its name. Raises AIGCError if another one has the name."""
    return parts.register(part.name, part)


def with_parts(config: type[ConfigType]) -> type[ConfigType]:
    """A method's config with a field for every registered part."""
    fields: dict[str, Any] = {name: (parts[name].config_type | None, parts[name].default) for name in parts}
    return create_model(config.__name__, __base__=config, **fields)


def build_parts(config: Config, setup: Setup) -> list[Part]:
    """The parts that a config with fields for all of them (`with_parts`) asks for, in the order of their names."""
    settings = {name: getattr(config, name) for name in parts}
    return [parts[name](chosen, setup) for name, chosen in settings.items() if chosen is not None]
