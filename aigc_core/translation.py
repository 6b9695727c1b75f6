"""Translations of all that users read: both apps, the errors, the command line. English is the key.

The catalogue is `locale/zh/LC_MESSAGES/aigc.po`, in gettext's format. `python -m tests.catalogue` brings it up to date
with the sentences in the code.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .errors import AIGCError, Sentence

LANGUAGES = {"en": "English", "zh": "中文"}
CATALOGUE = Path(__file__).parent / "locale" / "zh" / "LC_MESSAGES" / "aigc.po"


@cache
def chinese() -> Mapping[str, str]:
    """The catalogue: English templates and their translations. It is read when it is first needed."""
    from babel.messages.pofile import read_po

    with CATALOGUE.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id and message.string}


def translate(sentence: str, language: str, /, **values: object) -> str:
    """A sentence in one of LANGUAGES, its {names} filled with `values`; in English if the catalogue lacks it."""
    if isinstance(sentence, Sentence):
        sentence, values = sentence.template, {**sentence.values, **values}
    template = chinese().get(sentence, sentence) if language == "zh" else sentence
    if not values:
        return template
    return template.format(
        **{name: translate(value, language) if isinstance(value, Sentence) else value for name, value in values.items()}
    )


def environment_language() -> str:
    """The one of LANGUAGES that a terminal is set to: by LC_ALL, LC_MESSAGES or LANG, the first that is not empty."""
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if named.startswith("zh") else "en"


def localised(sentence: str) -> str:
    """A sentence in the language that the terminal is set to."""
    return translate(sentence, environment_language())


def translate_warning(warning: Warning | str, language: str) -> str:
    """What a warning says, in one of LANGUAGES where it is a sentence that the catalogue has."""
    said = warning.args[0] if isinstance(warning, Warning) and warning.args else warning
    return translate(said, language) if isinstance(said, Sentence) else str(warning)


def translate_error(error: AIGCError, language: str) -> str:
    """The sentence of an error in one of LANGUAGES."""
    return translate(error.sentence, language)
