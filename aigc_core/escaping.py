r"""Names joined by separators that a name may hold: a backslash before one makes it part of the name, as in `x\,y`.

A backslash also keeps white space at the ends of a name, and another backslash. Before any other character it stands
for itself: `a\b` is the name a\b.
"""

from __future__ import annotations

import re


def escape(name: str, separators: str) -> str:
    """A name as it is written between these separators."""
    return re.sub(rf"[\\{re.escape(separators)}]|\A\s|\s\Z", r"\\\g<0>", name)


def unescape(text: str, separators: str) -> str:
    """The inverse of `escape`; white space around the name is left out."""
    return re.sub(rf"\\([\\\s{re.escape(separators)}])", r"\1", trim(text))


def trim(text: str) -> str:
    """An escaped text without the white space around it."""
    begun = text.lstrip()
    ended = begun.rstrip()
    backslashes = len(ended) - len(ended.rstrip("\\"))
    return begun[: len(ended) + backslashes % 2]  # an odd one keeps the white space after it


def split_escaped(text: str, separator: str) -> list[str]:
    """The parts of a text, still escaped, between its separators."""
    parts, start = [], 0
    for found in re.finditer(rf"\\.|{re.escape(separator)}", text, re.DOTALL):
        if found.group() == separator:
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]
