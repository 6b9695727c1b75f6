"""A watermark of generated texts, and the test that finds it: the soft list of green tokens of Kirchenbauer et al.
2023, "A Watermark for Large Language Models", algorithm 2.

The last WIDTH tokens and a key determine for each token independently whether it is green; half of all tokens are. The
strength of the watermark is added to the logits of green tokens, and whoever has the key counts green tokens. A token
that follows the same context as before carries no new information and is counted once (Fernandez et al. 2023, "Three
Bricks to Consolidate Watermarks for Large Language Models", section 4), so the counted events are independent tosses of
fair coins.

The key tosses the coins: for any text written without the key, however repetitive, the number of green tokens is
binomial over keys, and the p-value is exact. Over many texts under one key, it is exact only if they share few of their
runs of WIDTH + 1 tokens. Texts that have most runs in common are judged by the same tosses; under some keys all of them
are suspected more often than the p-value says, under others less often. No test of green tokens avoids that: of a
corpus of a single text, a key suspects either all or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor

from aigc_core.families.base import Detection

from .steering import Steering

WIDTH = 4
GREEN_SHARE = 0.5
PADDING = 0
"""The token that stands for the missing context of a text's first tokens."""


class Watermark(Steering):
    """Raises the logits of green tokens by `strength`, in nats."""

    def __init__(self, strength: float, key: int, vocabulary: int, rows: int) -> None:
        self._strength, self._key = strength, key
        self._last = numpy.full((rows, WIDTH), PADDING, dtype=numpy.uint64)
        self._tokens = numpy.arange(vocabulary, dtype=numpy.uint64)[None]

    def see(self, tokens: Tensor) -> None:
        self._last = numpy.concatenate([self._last[:, 1:], tokens.numpy().astype(numpy.uint64)[:, None]], 1)

    def adjust(self, logits: Tensor) -> Tensor:
        green = torch.from_numpy(is_green(self._last, self._tokens, self._key))
        return logits + self._strength * green.to(logits)


def is_green(last: numpy.ndarray, tokens: numpy.ndarray, key: int) -> numpy.ndarray:
    """Whether tokens uint64 [N, K] (or [1, K]) are green after the context `last` uint64 [N, WIDTH]: bool [N, K]."""
    context = _mixed(numpy.full(len(last), key, dtype=numpy.uint64))
    for column in range(WIDTH):
        context = _mixed(context ^ _mixed(last[:, column]))
    return _mixed(context[:, None] ^ _mixed(tokens)) < numpy.uint64(GREEN_SHARE * 2**64)


def _mixed(values: numpy.ndarray) -> numpy.ndarray:
    """SplitMix64 (Steele et al. 2014, "Fast Splittable Pseudorandom Number Generators", figure 14)."""
    values = values + numpy.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return values ^ (values >> numpy.uint64(31))


def detect(texts: Sequence[Sequence[int]], key: int) -> Detection:
    """How many of the distinct runs of WIDTH + 1 tokens in `texts` end with a green one, and the probability over keys
    that as many or more do in texts written without the key."""
    seen: set[tuple[int, ...]] = set()
    for text in texts:
        padded = [PADDING] * WIDTH + list(text)
        seen.update(tuple(padded[k : k + WIDTH + 1]) for k in range(len(text)))
    if not seen:
        return Detection(0, 0, 1.0)
    grams = numpy.array(sorted(seen), dtype=numpy.uint64)
    green = int(is_green(grams[:, :WIDTH], grams[:, WIDTH:], key).sum())
    from scipy.stats import binom  # imported late, as it is large and drawing does not need it

    return Detection(green, len(seen), float(binom.sf(green - 1, len(seen), GREEN_SHARE)))
