"""A head start of the discriminator: it learns alone before the generator joins in."""

from __future__ import annotations

from pydantic import Field

from aigc_core.config import Config
from aigc_core.families.base import StepState

from . import Part, Setup, register


class HeadStartConfig(Config):
    """`share` of the run in which the discriminator learns alone."""

    share: float = Field(gt=0, lt=1)


@register
class HeadStart(Part):
    """A new discriminator must learn before it can teach a generator that is trained already (a recipe's `parent`)."""

    name = "head_start"
    config_type = HeadStartConfig

    def __init__(self, config: HeadStartConfig, setup: Setup) -> None:
        self.share = config.share

    def holds_generator(self, state: StepState) -> bool:
        return state.progress < self.share
