"""Pieces of n characters of many texts, as numbers, and how often each occurs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy

from aigc_core.metrics.estimate import GROUPS

FACTOR = numpy.uint64(0x9E3779B97F4A7C15)


def ngram_hashes(text: str, n: int) -> numpy.ndarray:
    """A hash uint64 of each piece of n characters: a polynomial of code points modulo 2⁶⁴ (Karp & Rabin 1987)."""
    codes = numpy.array([ord(character) for character in text], dtype=numpy.uint64)
    count = max(0, len(codes) - n + 1)
    hashes = numpy.zeros(count, dtype=numpy.uint64)
    for offset in range(n):
        hashes = hashes * FACTOR + codes[offset : offset + count] + numpy.uint64(1)
    return hashes


def grouped_hashes(texts: Sequence[str], n: int, groups: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The hashes of the pieces of all texts, uint64 [M], and the group of each piece's text, int64 [M]."""
    hashes = [ngram_hashes(text, n) for text in texts]
    return numpy.concatenate(hashes), numpy.repeat(groups, [len(each) for each in hashes])


def sample_groups(count: int) -> numpy.ndarray:
    """int64 [count]: sample k is in group k modulo GROUPS, as everywhere."""
    return numpy.arange(count) % min(GROUPS, count)


def neighbour_groups(count: int) -> numpy.ndarray:
    """int64 [count]: neighbours, which may be parts of one document, are in one group."""
    return numpy.arange(count) * min(GROUPS, count) // count


def jackknife(without: Callable[[int], float], groups: int) -> numpy.ndarray:
    """Influences float64 [groups] of a value that `without` computes with one group left out (Efron & Stein 1981).

    The groups hold whole documents. A bootstrap would draw documents twice, which alone makes pieces less diverse.
    """
    values = numpy.array([without(group) for group in range(groups)])
    return (groups - 1) * (values.mean() - values)
