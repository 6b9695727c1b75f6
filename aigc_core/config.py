"""Strict, immutable configuration objects, checked before anything is allocated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import AIGCError

ConfigType = TypeVar("ConfigType", bound="Config")


class Config(BaseModel):
    """Base of every configuration: frozen, typed, closed (an unknown key is an error), and of finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def parse_config(config_type: type[ConfigType], values: Any, where: str) -> ConfigType:
    """Validate `values` (a mapping, for example from JSON) as a `config_type`.

    Raises AIGCError with one sentence that names `where` and the first offending key.
    """
    try:
        return config_type.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(config_type.model_fields))
            raise AIGCError(
                "{where}: unknown key '{key}'; known keys are {known}.", where=where, key=key, known=known
            ) from None
        raise AIGCError(
            "{where}: '{key}' is wrong: {reason}.", where=where, key=key, reason=first["msg"].lower()
        ) from None


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
