"""Presets: training recipes as small YAML files beside this one, what changes them, and the command they come from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from aigc_core.config import parse_config
from aigc_core.data.datasets import is_registered
from aigc_core.errors import AIGCError, Sentence
from aigc_core.registry import find, load_plugins
from aigc_core.training.recipe import TrainingConfig

from .legacy import upgrade_recipe

_folders = [Path(__file__).parent]
OPTIONS = ("data", "samples", "seconds", "parent", "seed")
"""The settings that have an option of their own; `--set` changes the others."""


def add_presets(folder: Path) -> None:
    """Make the presets of another folder known, for a plugin that brings its own."""
    _folders.append(folder)


def preset_names() -> list[str]:
    """The names `--preset` takes."""
    return sorted(_paths())


def preset_summary(name: str) -> str:
    """What a preset is for: the first line of its file."""
    with _path(name).open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def read_preset(name: str) -> dict[str, Any]:
    """A preset's settings. Raises AIGCError, naming those there are, if there is no such preset."""
    return yaml.safe_load(_path(name).read_text(encoding="utf-8")) | {"preset": name}


def _path(name: str) -> Path:
    return find("preset", name, _paths())


def _paths() -> dict[str, Path]:
    """The files of all presets by name, in the order of the names; a built-in one stands before a plugin's."""
    load_plugins()
    paths = {path.stem: path for folder in reversed(_folders) for path in folder.glob("*.yaml")}
    return dict(sorted(paths.items()))


def apply_setting(settings: dict[str, Any], setting: str) -> None:
    """Apply one `key=value`, where key may be dotted (`method_config.r1.gamma=2`) and value is YAML."""
    key, equals, value = setting.partition("=")
    if not equals:
        raise AIGCError("--set takes key=value, not '{setting}'.", setting=setting)
    *path, last = key.split(".")
    for part in path:
        if settings.get(part) is None:
            settings[part] = {}
        settings = settings[part]
        if not isinstance(settings, dict):
            raise AIGCError("--set {key}: '{part}' has no settings of its own.", key=key, part=part)
    settings[last] = _parse(key, value)


def _parse(key: str, text: str) -> Any:
    """A value of `--set`: JSON, for its numbers such as 2e-4, which YAML takes for words, or YAML."""
    with suppress(ValueError):
        return json.loads(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise AIGCError("--set {key}: '{text}' is not a value.", key=key, text=text) from None


def command_for(recipe: dict[str, Any]) -> str:
    """The command line that trains by a recipe, as a checkpoint keeps it; data of one's own is called PICTURES or DATA.

    Raises AIGCError if the recipe is none of this version, or came from no preset.
    """
    preset, made = read_preset(str(recipe.get("preset"))), upgrade_recipe(recipe)
    if not is_registered(str(made.get("data"))):
        made["data"] = "PICTURES" if made.get("modality", "image") == "image" else "DATA"
    plain, wanted = (
        parse_config(TrainingConfig, settings, Sentence("The recipe")).model_dump(mode="json")
        for settings in (preset, made)
    )
    words = ["python", "-m", "aigc_core", "train", "--preset", preset["preset"]]
    # --samples and --seconds exclude each other on the command line, where either takes the other's place.
    timed = wanted["seconds"] is not None
    options = [name for name in OPTIONS if name != ("samples" if timed else "seconds")]
    for name in options:
        if wanted[name] != plain[name] or (name == "samples" and plain["seconds"] is not None):
            words += [f"--{name}", str(wanted[name])]
    others = {name: value for name, value in wanted.items() if name not in (*options, "seconds")}
    for key, value in _changes(plain, others):
        words += ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join([*words, "--out", "RUN"])


def _changes(plain: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values that make `wanted` of `plain`."""
    for name, value in wanted.items():
        before = plain.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and before.keys() <= value.keys():
            yield from _changes(before, value, f"{prefix}{name}.")
        elif name not in plain or value != before:
            yield prefix + name, value
