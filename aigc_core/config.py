"""Strict, immutable configuration objects, checked before anything is allocated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from .errors import AIGCError, Sentence

ConfigType = TypeVar("ConfigType", bound="Config")

WHOLE_NUMBER, NUMBER = Sentence("it must be a whole number"), Sentence("it must be a number")
SWITCH, TEXT = Sentence("it must be true or false"), Sentence("it must be text")
ENTRIES, LIST = Sentence("it must be an object (names with values)"), Sentence("it must be a list")
CHOICE = Sentence("it must be one of {expected}")
REASONS = {
    "greater_than": Sentence("it must be greater than {gt}"),
    "greater_than_equal": Sentence("it must be at least {ge}"),
    "less_than": Sentence("it must be less than {lt}"),
    "less_than_equal": Sentence("it must be at most {le}"),
    "finite_number": Sentence("it must be a finite number"),
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "bool_type": SWITCH,
    "bool_parsing": SWITCH,
    "string_type": TEXT,
    "string_unicode": Sentence("it holds letters that are not Unicode text"),
    "string_too_short": Sentence("it must be at least {min_length} characters long"),
    "string_too_long": Sentence("it must be at most {max_length} characters long"),
    "too_short": Sentence("its length must be at least {min_length}"),
    "too_long": Sentence("its length must be at most {max_length}"),
    "literal_error": CHOICE,
    "enum": CHOICE,
    "union_tag_invalid": Sentence("its {discriminator} must be one of {expected_tags}"),
    "union_tag_not_found": Sentence("it needs a {discriminator}"),
    "dict_type": ENTRIES,
    "model_type": ENTRIES,
    "model_attributes_type": ENTRIES,
    "tuple_type": LIST,
    "list_type": LIST,
}
"""What is wrong, by pydantic's names of errors; for others its own English is quoted."""
SETTINGS = Sentence("Settings")
"""Where something is wrong if its path says the rest."""


def whole_number(text: str, last: int) -> int | None:
    """A number from 0 to `last` from its decimal digits; None for any other text, however long."""
    digits = text.lstrip("0") or "0"
    fits = text.isdecimal() and len(digits) <= len(str(last)) and int(digits) <= last
    return int(digits) if fits else None


class Config(BaseModel):
    """Base of every configuration: frozen, typed, closed (an unknown key is an error), and of finite numbers.

    Its validators raise ValueError, with a Sentence that says what is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def parse_config(config_type: type[ConfigType], values: Any, where: str, path: str = "") -> ConfigType:
    """Validate `values` (a mapping, for example from JSON) as a `config_type`.

    `path`: under which key the values stand, if they are a part of something larger. Raises AIGCError with one sentence
    that names `where` and the first offending key, with all keys above it.
    """
    try:
        return config_type.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        written, known = _place(config_type, values, first)
        key = ".".join([path, *written] if path else written)
        if first["type"] == "extra_forbidden":
            raise AIGCError(
                "{where}: unknown key '{key}'; known keys are {known}.",
                where=where,
                key=key,
                known=", ".join(known) or Sentence("none"),
            ) from None
        if first["type"] == "missing":
            raise AIGCError("{where}: '{key}' is missing.", where=where, key=key) from None
        if not key:
            raise AIGCError("{where}: {reason}.", where=where, reason=_reason(first)) from None
        raise AIGCError("{where}: '{key}' is wrong: {reason}.", where=where, key=key, reason=_reason(first)) from None


def _place(config_type: type[Config], values: Any, error: ErrorDetails) -> tuple[list[str], list[str]]:
    """The keys that lead to an error, as they were written, and the keys that are known there.

    Pydantic also names the branch of a union that it tried, which nobody wrote.
    """
    *above, last = error["loc"] or ("",)
    written, models = [], [config_type]
    for part in above:
        fields = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = [model for field in fields for model in _models(field)] or models
        if fields or _holds(values, part):
            written.append(str(part))
            values = values[part] if _holds(values, part) else None
    known = [model.model_fields.keys() for model in models if last not in model.model_fields]
    is_branch = not (_holds(values, last) or error["type"] == "missing" or len(known) < len(models))
    return [*written, *([] if is_branch else [str(last)])], sorted({name for names in known for name in names})


def _holds(values: Any, part: str | int) -> bool:
    """Whether values have an entry under a key, or in a place of a list."""
    if isinstance(values, Mapping):
        return part in values
    return isinstance(values, Sequence) and not isinstance(values, str) and isinstance(part, int) and part < len(values)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The configs that a field's annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)


def _reason(error: ErrorDetails) -> str:
    """What is wrong, as part of a sentence."""
    found = error.get("ctx", {})
    if error["type"] == "value_error":
        return next(iter(found["error"].args), error["msg"])
    if error["type"] not in REASONS:
        return error["msg"][:1].lower() + error["msg"][1:]
    return Sentence(REASONS[error["type"]], **{name: _shown(value) for name, value in found.items()})


def _shown(value: Any) -> Any:
    """A limit without needless decimals; the choices "'a', 'b' or 'c'", which pydantic gives in English, as a list."""
    if isinstance(value, str):
        return ", ".join(value.rsplit(" or ", 1))
    return f"{int(value):,}" if isinstance(value, int | float) and value == int(value) else value


def read_config_file(config_type: type[ConfigType], path: Path, remedy: str) -> ConfigType:
    """Read a JSON file as a `config_type`.

    Raises AIGCError as `parse_config` does, and with `remedy`, what to do, if the file is not JSON.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AIGCError(
            "'{path}' is not valid JSON ({error}); {remedy}.", path=path, error=error, remedy=remedy
        ) from None
    return parse_config(config_type, values, f"'{path}'")
