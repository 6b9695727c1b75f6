"""Samples in model space as tokens: texts are tokens already, and each value of an image is a token."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from aigc_core.errors import AIGCError
from aigc_core.modalities.base import Modality
from aigc_core.modalities.image import eight_bit
from aigc_core.modalities.text import END, TextModality

LEVELS = 256
MAX_TOKENS = 4096


class TokenSpace(Protocol):
    """`vocabulary`: the number of different tokens. `length`: the number of tokens of a sample. `end`: the token that
    ends a sample and fills the rest of its row; None if all samples have the full length."""

    vocabulary: int
    length: int
    end: int | None

    def to_tokens(self, samples: Tensor) -> Tensor:
        """Samples in model space [N, …] → tokens int64 [N, length]."""
        ...

    def from_tokens(self, tokens: Tensor) -> Tensor:
        """Tokens int64 [N, length] → samples in model space [N, …]."""
        ...


class TextTokens:
    """The tokens of a text's tokenizer."""

    end: int | None = END

    def __init__(self, text: TextModality) -> None:
        self.vocabulary, self.length = text.vocabulary_size, text.length

    def to_tokens(self, samples: Tensor) -> Tensor:
        return samples

    def from_tokens(self, tokens: Tensor) -> Tensor:
        return tokens


class PixelTokens:
    """The 256 levels of a map's values, channel by channel, row by row (van den Oord et al. 2016)."""

    end: int | None = None

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.vocabulary, self.length = LEVELS, math.prod(shape)
        if self.length > MAX_TOKENS:
            raise AIGCError(
                "An image of {count:,} values is too long for a model of single values; it takes {most:,} at most.",
                count=self.length,
                most=MAX_TOKENS,
            )

    def to_tokens(self, samples: Tensor) -> Tensor:
        return eight_bit(samples.flatten(1)).to(torch.int64)

    def from_tokens(self, tokens: Tensor) -> Tensor:
        return (tokens.float() / 127.5 - 1).view(-1, *self.shape)


def token_space(modality: Modality) -> TokenSpace:
    """The token space of a modality. Raises AIGCError if it has none."""
    if isinstance(modality, TextModality):
        return TextTokens(modality)
    if modality.map_shape is not None:
        return PixelTokens(modality.map_shape)
    raise AIGCError("Autoregressive models draw texts and images, not {kind}.", kind=modality.name)
