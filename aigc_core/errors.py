"""The one exception for everything a user can cause."""


class AIGCError(Exception):
    """Carries one sentence that says what was wrong and what to do; shown to the user as it is, or translated.

    `sentence` may have {names} that `values` fill.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values) if values else sentence)
        self.sentence, self.values = sentence, values
