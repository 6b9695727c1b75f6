"""Checks of what may change when a run is resumed or started from a parent.

A resumed run is the same run: its checkpoints, loss curves and card belong to one recipe. It may last longer or shorter
and keep checkpoints at other intervals (CHANGEABLE), use other trackers (not part of the recipe), and find the same
data in another place. Any other change needs a new run that starts from the checkpoint, with `--parent`.
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
from aigc_core.errors import SEMICOLON, AIGCError, Sentence, joined

CHANGEABLE = frozenset({"samples", "seconds", "checkpoint_samples"})
BESIDE = {f"shape.{name}": name for name in ("resolution", "channels")}
"""Settings of the shape that recipes may have at the top level, and their names there."""
MAX_SHOWN = 200
"""How many characters of a value an error shows."""


def newest_checkpoint(folder: Path) -> Path:
    """The checkpoint that a run is resumed from. Raises AIGCError if there is no run in the folder."""
    saved = step_folders(folder) if folder.is_dir() else []
    if not saved:
        raise AIGCError("There is no run in '{folder}' to resume; leave out --resume to begin one.", folder=folder)
    return saved[-1]


def check_recipe(folder: Path, made: CheckpointConfig, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise AIGCError, which names each changed setting with both values, if a recipe is not that of a run.

    `earlier`: the recipe of the run in `folder`; `now`: the new one, both complete. `made`: a checkpoint of the run.
    """
    unchecked = CHANGEABLE | ({"data"} if made.data_hash else set())
    before, after = (
        {name: value for name, value in flat_settings(settings).items() if name not in unchecked}
        for settings in (earlier, now)
    )
    _refuse_differences(folder, before, after)


def check_data(folder: Path, earlier: CheckpointConfig, class_names: tuple[str, ...], data_hash: str) -> None:
    """Raise AIGCError, which names the differences with both values, if the data is not that of the run in `folder`.

    The hash is not compared for a run from before checkpoints had a `data_hash`.
    """
    before = {"class_names": ", ".join(earlier.class_names), "data_hash": earlier.data_hash}
    now = {"class_names": ", ".join(class_names), "data_hash": data_hash if earlier.data_hash else ""}
    _refuse_differences(folder, before, now)


def check_parent(parent: str, made: CheckpointConfig, ours: CheckpointConfig) -> None:
    """Raise AIGCError if a new run with checkpoints like `ours` cannot start from the checkpoint `made`.

    The error names the settings that would make the run fit, or the data that it would need.
    """
    if made.modality != ours.modality:
        raise AIGCError(
            "'{parent}' is a model of the kind '{theirs}', and the data is of the kind '{ours}'; choose another one.",
            parent=parent,
            theirs=made.modality,
            ours=ours.modality,
        )
    if made.family != ours.family:
        raise AIGCError(
            "'{parent}' is of the family '{theirs}', and the new run of '{ours}'; choose a preset of its family.",
            parent=parent,
            theirs=made.family,
            ours=ours.family,
        )
    if made.num_classes not in (0, ours.num_classes):
        raise AIGCError(
            "'{parent}' draws {theirs} classes, and the data has {ours}; train on as many, a folder for each, or "
            "choose another model.",
            parent=parent,
            theirs=made.num_classes,
            ours=ours.num_classes,
        )
    names = ("architecture", "architecture_config", "shape")
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
        Sentence("{name} was {before} and is {now} now", name=name, before=_shown(before, name), now=_shown(now, name))
        for name in dict.fromkeys([*before, *now])
        if name not in before or name not in now or before[name] != now[name]
    ]
    if differences:
        raise AIGCError(
            "'{folder}' is resumed with the settings and the data it began with, but {differences}. Leave these as "
            "they were, or begin a new run from it with --parent {folder} and another --out.",
            folder=folder,
            differences=joined(differences, SEMICOLON),
        )


def _shown(settings: Mapping[str, Any], name: str) -> str:
    if name not in settings:
        return Sentence("not set")
    return textwrap.shorten(str(settings[name]), MAX_SHOWN, placeholder=" …")


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dictionary with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flat_settings(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
