"""Autoregressive models of texts, and what their samplers can do beside drawing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from aigc_core.errors import Sentence
from aigc_core.families.base import SamplerOptions
from aigc_core.modalities.text import END, TextModality
from aigc_core.nn.transformer import TransformerConfig

from .acrostic import Acrostic
from .model import AutoregressiveModel, AutoregressiveOptions
from .steering import Steering
from .tokens import TextTokens


class TextOptions(AutoregressiveOptions):
    """`acrostic`: what the lines of a text begin with, a letter a line."""

    acrostic: str = Field(
        default="",
        max_length=64,
        title=Sentence("Acrostic"),
        description=Sentence("what the lines begin with, a letter a line"),
    )


class TextModel(AutoregressiveModel):
    """An autoregressive model of texts."""

    options_type: ClassVar[type[SamplerOptions]] = TextOptions

    def __init__(self, config: TransformerConfig, text: TextModality, num_classes: int) -> None:
        super().__init__(config, TextTokens(text), num_classes)
        self.text = text

    def steerings(self, options: AutoregressiveOptions, rows: int) -> list[Steering]:
        assert isinstance(options, TextOptions)
        steerings: list[Steering] = []
        if letters := "".join(options.acrostic.split()):
            openings = [self.text.tokens_of(letter) for letter in letters]
            steerings.append(Acrostic(openings, self.text.line_ends, END, rows))
        return steerings
