"""The one exception for everything a user can cause, and sentences that can be translated."""

from __future__ import annotations


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


class AIGCError(Exception):
    """An error with one sentence that says what was wrong and what to do, shown to the user as it is or translated.

    `sentence` may have {names}, which `values` fill. Both may quote text from elsewhere: its line ends become spaces,
    and lone surrogates, which stand for bytes that are not UTF-8, become question marks. A value that is a Sentence or
    an AIGCError is translated as well.
    """

    def __init__(self, sentence: str, /, **values: object) -> None:
        self.sentence = Sentence(
            sentence if values else _line(sentence), **{name: _clean(value) for name, value in values.items()}
        )
        super().__init__(str(self.sentence))


def _clean(value: object) -> object:
    """Numbers and sentences as they are, the sentence of an error, and anything else as one line of text."""
    if isinstance(value, AIGCError):
        return value.sentence
    return value if isinstance(value, int | float | Sentence) else _line(value)


def _line(value: object) -> str:
    """One line of text that can be encoded."""
    return " ".join(str(value).splitlines()).encode(errors="replace").decode()
