"""The one exception for everything a user can cause, and sentences that can be translated."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from typing import Self


class Sentence(str):
    """An English sentence for users, or part of one, that `aigc_core.translation` can translate.

    `template` is the catalogue's key; it may have {names}, which `values` fill. As a str it is the filled text.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Sentence:
        sentence = super().__new__(cls, template.format(**values) if values else template)
        sentence.template, sentence.values = template, values
        return sentence


COMMA = Sentence("{before}, {after}")
SEMICOLON = Sentence("{before}; {after}")
AND = Sentence("{before} and {after}")
SPACE = Sentence("{before} {after}")
"""How `joined` puts one part after another."""


def joined(parts: Iterable[str], by: Sentence = COMMA) -> str:
    """One part or more in a row; each that is a Sentence is translated by itself."""
    row, *others = parts
    for part in others:
        row = Sentence(by, before=row, after=part)
    return row


class AIGCError(Exception):
    """An error with one sentence that says what was wrong and what to do, shown to the user as it is or translated.

    `sentence` may have {names}, which `values` fill. Both may quote text from elsewhere, of which `one_line` makes a
    line. A value that is a Sentence or an AIGCError is translated as well.
    """

    def __init__(self, sentence: str, /, **values: object) -> None:
        self.sentence = Sentence(
            sentence if values else one_line(sentence), **{name: _clean(value) for name, value in values.items()}
        )
        super().__init__(str(self.sentence))

    def calling(self, place: object, name: str) -> Self:
        """The same error with a name for a place on this machine, wherever a value quotes that."""
        values = {key: _called(value, str(place), name) for key, value in self.sentence.values.items()}
        return type(self)(self.sentence.template, **values)


def _called(value: object, place: str, name: str) -> object:
    if isinstance(value, Sentence):
        return Sentence(value.template, **{key: _called(each, place, name) for key, each in value.values.items()})
    return value.replace(place, name) if isinstance(value, str) else value


def _clean(value: object) -> object:
    """Numbers as they are, the sentence of an error, a sentence with clean values, anything else as a line of text."""
    if isinstance(value, AIGCError):
        return value.sentence
    if isinstance(value, Sentence):
        return Sentence(value.template, **{name: _clean(each) for name, each in value.values.items()})
    return value if isinstance(value, int | float) else one_line(value)


def user_error(error: Exception) -> AIGCError | None:
    """An AIGCError as it is, or one for a file or folder that the system refuses; None for any other error."""
    if isinstance(error, AIGCError):
        return error
    if isinstance(error, UnicodeEncodeError) and any("\ud800" <= letter <= "\udfff" for letter in error.object):
        return AIGCError("The name {name} is not UTF-8; rename it.", name=os.fsencode(error.object))
    if isinstance(error, OSError) and error.filename is not None:
        return AIGCError("'{path}' cannot be used: {reason}.", path=error.filename, reason=error.strerror)
    return None


def one_line(value: object) -> str:
    """A text from elsewhere as one line that can be encoded: line ends become spaces, and what else controls a
    terminal, or stands for bytes that are not UTF-8, becomes question marks."""
    line = " ".join(str(value).splitlines()).encode(errors="replace").decode()
    return "".join("?" if unicodedata.category(character) == "Cc" else character for character in line)
