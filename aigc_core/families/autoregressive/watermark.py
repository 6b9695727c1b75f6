"""A watermark of generated texts, and the test that finds it: the soft list of green tokens of Kirchenbauer et al.
2023, "A Watermark for Large Language Models", algorithm 2.

The last WIDTH tokens and a key decide, for each token by itself, whether it is green: half of them are. The logits of
green tokens grow by the strength of the mark. Whoever has the key counts green tokens. A token after the same ones as
before says nothing new and is counted once (Fernandez et al. 2023, "Three Bricks to Consolidate Watermarks for Large
Language Models", section 4), so that what is counted are distinct throws of fair coins.

The coins are the key's: for any text that was written without the key, however it repeats itself, the number of green
tokens is binomial over keys and the p-value exact. Over texts under one key it is exact only where they share few of
their runs of WIDTH + 1 tokens. Texts that have most of them in common are judged by the same throws, and are all
suspected more often than the p-value says under some keys, and less often under others; no test of green tokens is
free of that, as a corpus of one text shows, which a key suspects always or never.
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
"""What stands before the first token of a text."""


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
    """Whether tokens uint64 [N, K] (or [1, K]) are green after the last ones uint64 [N, WIDTH], bool [N, K]."""
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
    """How many of the distinct runs of tokens of texts end with a green one, and the probability over keys of so many
    or more in texts that were written without the key."""
    seen: set[tuple[int, ...]] = set()
    for text in texts:
        padded = [PADDING] * WIDTH + list(text)
        seen.update(tuple(padded[k : k + WIDTH + 1]) for k in range(len(text)))
    if not seen:
        return Detection(0, 0, 1.0)
    grams = numpy.array(sorted(seen), dtype=numpy.uint64)
    green = int(is_green(grams[:, :WIDTH], grams[:, WIDTH:], key).sum())
    from scipy.stats import binom  # large, and drawing makes do without

    return Detection(green, len(seen), float(binom.sf(green - 1, len(seen), GREEN_SHARE)))
