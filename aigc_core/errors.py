"""The one exception for everything a user can cause."""


class AIGCError(Exception):
    """Carries one sentence that says what was wrong and what to do; shown to the user as it is, or translated.

    `sentence` may have {names} that `values` fill. Both may quote what others wrote: line ends in it become
    spaces, and lone surrogates, which stand for bytes that are not UTF-8, question marks.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        self.values = {
            name: value if isinstance(value, int | float) else _line(value) for name, value in values.items()
        }
        self.sentence = sentence if values else _line(sentence)
        super().__init__(sentence.format(**self.values) if values else self.sentence)


def _line(value: object) -> str:
    """One line of text that can be encoded."""
    return " ".join(str(value).splitlines()).encode(errors="replace").decode()
