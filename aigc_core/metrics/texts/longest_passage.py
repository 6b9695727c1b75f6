"""The longest passage of a sample that occurs in the training texts; as long as the sample if it was copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

from .ngrams import FACTOR

PART = 2**20
"""How many pieces of the training texts are searched at a time."""
USUAL = 16
"""The length in characters that is tried first."""
AUDITED = 500
"""How many samples are examined: the first ones."""


def longest_passage(compared: Comparison) -> Estimate | None:
    """The mean length in characters over the first AUDITED samples; None for a single sample."""
    kind = text_kind(compared.modality)
    samples = kind.texts(compared.samples[:AUDITED])
    lengths = longest_passages(samples, kind.texts(compared.training)).astype(float)
    mean = float(lengths.mean())
    return (
        Estimate.of_groups(mean, group_influence_values(lengths - mean)).within(0.0, float("inf"))
        if len(lengths) > 1
        else None
    )


def longest_passages(samples: list[str], training: list[str]) -> numpy.ndarray:
    """The length of each sample's longest passage that occurs in one of the training texts, int64 [N].

    By bisection: if a passage occurs there, so do all its parts. Each length costs a pass over the training texts, so
    samples that have reached the same length are searched together, and only where shorter passages of them occur.
    """
    learnt, ours = _Hashed(training), _Hashed(samples)
    owners = numpy.repeat(numpy.arange(len(samples)), [len(text) for text in samples])
    found = numpy.zeros(len(samples), dtype=numpy.int64)
    waiting: list[tuple[int, int, numpy.ndarray, Sequence[numpy.ndarray] | None]]
    waiting = [(0, max(map(len, samples), default=0), numpy.arange(len(samples)), None)]
    while waiting:
        least, most, rows, places = waiting.pop()
        if least == most or not len(rows):
            found[rows] = least
            continue
        length = min(max(USUAL, 2 * least), (least + most + 1) // 2)
        starts = numpy.concatenate([*ours.starts(length), numpy.zeros(0, dtype=numpy.int64)])
        starts = starts[numpy.isin(owners[starts], rows)]
        there, shared = _stand(ours.hashes(starts, length), learnt, length, places)
        has = numpy.isin(rows, owners[starts][there])
        waiting += [(length, most, rows[has], shared), (least, length - 1, rows[~has], places)]
    return found


class _Hashed:
    """Texts in a row, with prefix sums from which a piece of any length is hashed at once.

    The hash is the sum of (code point + 1) · FACTOR^position over the piece, shifted to position 0, modulo 2⁶⁴.
    """

    def __init__(self, texts: list[str]) -> None:
        codes = numpy.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
        lengths = numpy.array([len(text) for text in texts], dtype=numpy.int64)
        self.left = numpy.repeat(lengths.cumsum(), lengths) - numpy.arange(len(codes))
        powers = numpy.cumprod(numpy.full(len(codes), FACTOR, dtype=numpy.uint64))
        sums = numpy.cumsum((codes.astype(numpy.uint64) + numpy.uint64(1)) * powers)
        self.sums = numpy.concatenate([numpy.zeros(1, dtype=numpy.uint64), sums])
        self.inverse = numpy.cumprod(numpy.full(len(codes), pow(int(FACTOR), -1, 2**64), dtype=numpy.uint64))

    def starts(self, length: int) -> Iterator[numpy.ndarray]:
        """Where pieces of a length begin that lie within one text, int64, part by part."""
        for first in range(0, len(self.left), PART):
            yield first + numpy.flatnonzero(self.left[first : first + PART] >= length)

    def hashes(self, starts: numpy.ndarray, length: int) -> numpy.ndarray:
        """The hashes uint64 of the pieces of a length that begin at `starts`."""
        return (self.sums[starts + length] - self.sums[starts]) * self.inverse[starts]


def _stand(
    pieces: numpy.ndarray, learnt: _Hashed, length: int, places: Sequence[numpy.ndarray] | None
) -> tuple[numpy.ndarray, list[numpy.ndarray]]:
    """Which of the pieces occur in the training texts, bool, and where, part by part; searched at `places`, or all."""
    kinds, numbered = numpy.unique(pieces, return_inverse=True)
    there, shared = numpy.zeros(len(kinds), dtype=bool), []
    for part in learnt.starts(length) if places is None else places:
        starts = part[learnt.left[part] >= length]
        hashes = learnt.hashes(starts, length)
        nearest = numpy.searchsorted(kinds, hashes).clip(max=max(0, len(kinds) - 1))
        same = kinds[nearest] == hashes if len(kinds) else numpy.zeros(len(hashes), dtype=bool)
        there[nearest[same]] = True
        shared.append(starts[same])
    return there[numbered], shared


stored_by_name["longest_passage"] = StoredMetric(
    MetricInfo(
        Sentence("Longest copied passage"),
        "lower",
        Sentence("texts"),
        Sentence(
            "Characters of the longest passage of a sample that stands in the training texts, on average. Texts that "
            "were not learnt from have such passages, too; a copier's are as long as its samples."
        ),
        audit=True,
        meaning=Sentence("How long a passage samples copy from the training texts."),
    ),
    "text",
    longest_passage,
    of_real=True,
)
