"""What may change when a run is resumed, and what may not.

A resumed run is the same run: its checkpoints, its loss curves and its card tell of one recipe. It may last longer or
shorter, keep checkpoints at other intervals (CHANGEABLE), have other trackers (which are no part of the recipe), and
find the same data in another place. Everything else stays; whoever wants it otherwise begins a new run from the
checkpoint, by `--parent`.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.folder import step_folders
from aigc_core.errors import AIGCError

CHANGEABLE = frozenset({"samples", "seconds", "checkpoint_samples"})
BESIDE = {f"shape.{name}": name for name in ("resolution", "channels")}
"""Settings of the shape that stand beside the others in recipes."""
MAX_SHOWN = 200
"""Letters of a value that an error shows."""


def newest_checkpoint(folder: Path) -> Path:
    """What a run is resumed from. Raises AIGCError if there is no run in the folder."""
    saved = step_folders(folder) if folder.is_dir() else []
    if not saved:
        raise AIGCError("There is no run in '{folder}' to resume; leave out --resume to begin one.", folder=folder)
    return saved[-1]


def check_recipe(folder: Path, made: CheckpointConfig, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise AIGCError, naming each setting with both values, if a recipe is not that of the run in `folder`.

    `earlier` and `now` are whole recipes; `made` is a checkpoint of the run.
    """
    unchecked = CHANGEABLE | ({"data"} if made.data_hash else set())
    before, after = (
        {name: value for name, value in flat_settings(settings).items() if name not in unchecked}
        for settings in (earlier, now)
    )
    _refuse_differences(folder, before, after)


def check_data(folder: Path, earlier: CheckpointConfig, class_names: tuple[str, ...], data_hash: str) -> None:
    """Raise AIGCError, naming what differs with both values, if the data is not that of the run in `folder`.

    A run from before checkpoints had `data_hash` is not asked for it.
    """
    before = {"class_names": ", ".join(earlier.class_names), "data_hash": earlier.data_hash}
    now = {"class_names": ", ".join(class_names), "data_hash": data_hash if earlier.data_hash else ""}
    _refuse_differences(folder, before, now)


def check_parent(parent: str, made: CheckpointConfig, ours: CheckpointConfig) -> None:
    """Raise AIGCError if a new run, whose checkpoints are as `ours`, cannot start from the checkpoint `made`.

    It names the settings that would make the run fit, or what the data would have to be.
    """
    if made.modality != ours.modality:
        raise AIGCError(
            "'{parent}' is a model of the kind '{theirs}', and the data is of the kind '{ours}'; choose another one.",
            parent=parent,
            theirs=made.modality,
            ours=ours.modality,
        )
    if made.num_classes not in (0, ours.num_classes):
        raise AIGCError(
            "'{parent}' draws {theirs} classes, and the data has {ours}; train on as many, a folder for each, or "
            "choose another model.",
            parent=parent,
            theirs=made.num_classes,
            ours=ours.num_classes,
        )
    names = ("family", "architecture", "architecture_config", "shape")
    before, after = (flat_settings({name: getattr(config, name) for name in names}) for config in (made, ours))
    wanted = {name: before[name] for name in before if before[name] != after.get(name)}
    if made.num_classes != ours.num_classes:
        wanted["conditional"] = False
    if wanted:
        settings = (f"{BESIDE.get(name, name)}={json.dumps(value)}" for name, value in wanted.items())
        raise AIGCError(
            "'{parent}' has other settings than the new run; to start from it, add: {options}",
            parent=parent,
            options=" ".join(f"--set {shlex.quote(setting)}" for setting in settings),
        )
    if before != after:
        raise AIGCError(
            "'{parent}' has no {settings}, which the new run has; leave them out.",
            parent=parent,
            settings=", ".join(sorted(after.keys() - before.keys())),
        )


def _refuse_differences(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differences = [
        f"{name} was {_shown(before, name)} and is {_shown(now, name)} now"
        for name in dict.fromkeys([*before, *now])
        if name not in before or name not in now or before[name] != now[name]
    ]
    if differences:
        raise AIGCError(
            "'{folder}' is resumed with the settings and the data it began with, but {differences}. Leave these as "
            "they were, or begin a new run from it with --parent {folder} and another --out.",
            folder=folder,
            differences="; ".join(differences),
        )


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return textwrap.shorten(str(settings[name]), MAX_SHOWN, placeholder=" …") if name in settings else "not set"


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level of dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flat_settings(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
