"""The lessons of the tab Learn: five minutes each, a guess first and then what it is really like.

A lesson says its question and answers, and draws as HTML what is seen; the tab (`aigc_core.demo.learn`) is the frame
that all share. Every module in this package registers its lesson when imported, so adding one is adding a file. What a
lesson needs is read and computed when it is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import ClassVar

from aigc_core.registry import Registry

from ..language import t


class Lesson:
    """One lesson. What is drawn by chance in it is drawn from a seed, so that everything but that can stay the same.

    `place`: where it stands among the others. `choices`: the answers to the question, of which `right` is one.
    `conclusion`: what there is to remember. `dial` and `again`: what the slider and the button for another try are
    called; a lesson that names none has none.
    """

    name: ClassVar[str]
    place: ClassVar[int]
    title: ClassVar[str]
    question: ClassVar[str]
    choices: ClassVar[Sequence[str]] = ()
    right: ClassVar[int] = 0
    conclusion: ClassVar[str]
    dial: ClassVar[str] = ""
    again: ClassVar[str] = ""

    def pictures(self, seed: int) -> Sequence[str]:
        """Pictures, as addresses, of which any number is chosen in the place of one of `choices`; none by default."""
        return ()

    def verdict(self, seed: int, chosen: Collection[int]) -> str:
        """A sentence on the guess, in the visitor's language."""
        if self.right in chosen:
            return t("That is right.")
        return t("It is another one: {answer}", answer=t(self.choices[self.right]))

    @property
    def stops(self) -> int:
        """How many positions the slider has, from 0; the first to be seen is `first_stop`."""
        return 1

    @property
    def first_stop(self) -> int:
        return 0

    def show(self, seed: int, stop: int) -> str:
        """What is seen at a position of the slider, as HTML."""
        raise NotImplementedError

    def reveal(self, seed: int) -> Iterator[str]:
        """What is seen after the guess, as HTML that may change a few times before it stays."""
        yield self.show(seed, self.first_stop)


lessons: Registry[Lesson] = Registry("lesson", __name__)


def lessons_in_order() -> list[Lesson]:
    """All lessons, the first one first."""
    return sorted((lessons[name] for name in lessons), key=lambda lesson: lesson.place)
