"""Autoregressive models of texts, which can also write acrostics and set a watermark."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Capability, Detection, SamplerOptions, WatermarkingModel
from aigc_core.modalities.text import END, TextModality
from aigc_core.nn.transformer import TransformerConfig
from aigc_core.rng import MAX_SEED

from .acrostic import Acrostic
from .model import AutoregressiveModel, AutoregressiveOptions
from .steering import Steering
from .stop import Stop
from .tokens import TextTokens
from .watermark import Watermark, detect


class TextOptions(AutoregressiveOptions):
    """`acrostic`: letters that the lines of a text begin with, one per line. `stop`: words after which a text ends;
    "\\n" stands for a line break. `watermark`: how many nats are added to the logits of green tokens, so that whoever
    knows `watermark_key` can find them."""

    acrostic: str = Field(
        default="",
        max_length=64,
        title=Sentence("Acrostic"),
        description=Sentence("what the lines begin with, a letter a line"),
    )
    stop: str = Field(
        default="",
        max_length=64,
        title=Sentence("Stop"),
        description=Sentence("words after which the text ends · \\n: a line break"),
    )
    watermark: float = Field(
        default=0.0,
        ge=0,
        le=10,
        title=Sentence("Watermark"),
        description=Sentence("how strong · 0: none · 3 is found in 200 tokens"),
    )
    watermark_key: int = Field(
        default=0,
        ge=0,
        le=MAX_SEED,
        title=Sentence("Key of the watermark"),
        description=Sentence("who knows it can find the watermark"),
    )


class TextModel(AutoregressiveModel, WatermarkingModel):
    """An autoregressive model of texts."""

    options_type: ClassVar[type[SamplerOptions]] = TextOptions
    capabilities: ClassVar[frozenset[Capability]] = AutoregressiveModel.capabilities | {Capability.WATERMARK}

    def __init__(self, config: TransformerConfig, text: TextModality, num_classes: int) -> None:
        super().__init__(config, TextTokens(text), num_classes)
        self.text = text

    def steerings(self, options: AutoregressiveOptions, rows: int) -> list[Steering]:
        assert isinstance(options, TextOptions)
        acrostic = self._acrostic(options, rows)
        steerings: list[Steering] = [] if acrostic is None else [acrostic]
        if options.watermark:
            steerings.append(Watermark(options.watermark, options.watermark_key, self.space.vocabulary, rows))
        if stop := options.stop.replace("\\n", "\n"):
            self.text.tokens_of(stop)  # raises for characters that the model never says
            steerings.append(Stop(stop, self.text.text_of, END, rows))
        return steerings

    def warning(self, samples: Tensor, options: SamplerOptions) -> Sentence | None:
        assert isinstance(options, TextOptions)
        acrostic = self._acrostic(options, len(samples))
        if acrostic is None:
            return None
        for tokens in samples.cpu().T:
            acrostic.see(tokens)
        if not acrostic.unfinished:
            return None
        return Sentence(
            "{unfinished} of {count} texts end before all letters of the acrostic have their line; give fewer.",
            unfinished=acrostic.unfinished,
            count=len(samples),
        )

    def _acrostic(self, options: TextOptions, rows: int) -> Acrostic | None:
        """The acrostic that the options ask for, if any. Raises AIGCError for letters that no line can begin with."""
        letters = "".join(options.acrostic.split())
        if not letters:
            return None
        self.text.tokens_of(letters)  # raises for all that are unknown at once
        openings, line_ends = [self.text.tokens_of(letter) for letter in letters], self.text.line_ends
        if wrong := next((letter for letter, tokens in zip(letters, openings) if tokens[0] in line_ends), None):
            raise AIGCError("No line can begin with '{letter}', which ends lines; leave it out.", letter=wrong)
        return Acrostic(openings, line_ends, END, rows)

    def detect_watermark(self, samples: Tensor, key: int) -> Detection:
        return detect([[token for token in row if token != END] for row in samples.tolist()], key)
