"""Presets: training recipes as small YAML files beside this one, what changes them, and the command they come from."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from aigc_core.config import parse_config
from aigc_core.data.datasets import is_registered
from aigc_core.errors import AIGCError

FOLDER = Path(__file__).parent
OPTIONS = ("data", "images", "seconds", "parent", "seed")
"""The settings that have an option of their own; `--set` changes the others."""


def preset_names() -> list[str]:
    """The names `--preset` takes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def preset_summary(name: str) -> str:
    """What a preset is for: the first line of its file."""
    with (FOLDER / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def read_preset(name: str) -> dict[str, Any]:
    """A preset's settings. Raises AIGCError, naming those there are, if there is no such preset."""
    path = FOLDER / f"{name}.yaml"
    if name not in preset_names():
        raise AIGCError(f"There is no preset '{name}'; there are {', '.join(preset_names())}.")
    return yaml.safe_load(path.read_text(encoding="utf-8")) | {"preset": name}


def apply_setting(settings: dict[str, Any], setting: str) -> None:
    """Apply one `key=value`, where key may be dotted (`method_config.r1_gamma=2`) and value is YAML."""
    key, equals, value = setting.partition("=")
    if not equals:
        raise AIGCError(f"--set takes key=value, not '{setting}'.")
    *path, last = key.split(".")
    for part in path:
        settings = settings.setdefault(part, {})
        if not isinstance(settings, dict):
            raise AIGCError(f"--set {key}: '{part}' has no settings of its own.")
    try:
        settings[last] = yaml.safe_load(value)
        if isinstance(settings[last], str):  # YAML takes 2e-4 for a word
            with suppress(ValueError):
                settings[last] = float(value)
    except yaml.YAMLError:
        raise AIGCError(f"--set {key}: '{value}' is not a value.") from None


def command_for(recipe: dict[str, Any]) -> str:
    """The command line that trains by a recipe, as a checkpoint keeps it; a folder of pictures is called PICTURES.

    Raises AIGCError if the recipe is none of this version, or came from no preset.
    """
    from aigc_core.training.loop import TrainingConfig

    preset, made = read_preset(str(recipe.get("preset"))), dict(recipe)
    if not is_registered(str(made.get("data"))):
        made["data"] = "PICTURES"
    plain, wanted = (
        parse_config(TrainingConfig, settings, "The recipe").model_dump(mode="json") for settings in (preset, made)
    )
    words = ["python", "-m", "aigc_core", "train", "--preset", preset["preset"]]
    for name, value in wanted.items():
        if name in OPTIONS and value != plain[name]:
            words += [f"--{name}", str(value)]
        elif isinstance(value, dict) and plain[name].keys() <= value.keys():
            changed = {key: inner for key, inner in value.items() if inner != plain[name].get(key)}
            words += [word for key, inner in changed.items() for word in ("--set", f"{name}.{key}={json.dumps(inner)}")]
        elif value != plain[name]:
            words += ["--set", f"{name}={json.dumps(value)}"]
    return shlex.join([*words, "--out", "RUN"])
