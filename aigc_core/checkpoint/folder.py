"""Checkpoint folders ⇄ objects: a folder is a Hub repository, byte for byte.

    config.json         what the model is and how it was made
    model.safetensors   the averaged (EMA) weights of the model
    samples.*           a preview of its samples
    eval/*.json         results of evaluations
    directions.safetensors   latent directions, once computed
    README.md           the model card
    training_state/     what `--resume` needs; never pushed

A training run is a folder of such folders, `step-0001000`, `step-0002000`, …, and a shipped model may carry its
earlier steps in the same way. `FOLDER@step-0001000` names one of them, `FOLDER` the final one. A recipe trained
with several seeds is a folder of runs, `seed-1`, `seed-2`, ….
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from aigc_core.config import read_config_file
from aigc_core.errors import AIGCError, Sentence

from .config import CheckpointConfig
from .layout import (
    CARD_FILE,
    CONFIG_FILE,
    MAX_CONFIG_BYTES,
    RESULTS_FOLDER,
    TRAINING_STATE_FOLDER,
    WEIGHTS_FILE,
    file_kind,
)
from .reference import MAIN, CheckpointReference, seed_name, step_number

PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt"}
NO_LONGER_SHIPPED = {"fashion-mnist-large"}
"""Models of `checkpoints/` that made room for others; the project's history has them."""


def local_checkpoint(reference: CheckpointReference) -> Path | None:
    """The folder of a checkpoint on this machine; None if there is none at the reference's location.

    A folder of steps stands for its newest one, that of a recipe for its first run. Raises AIGCError if the folder has
    no such revision.
    """
    folder = reference.folder
    if folder is None:
        return None
    if reference.revision not in ("", MAIN):
        return _step_folder(folder, reference.revision)
    if (folder / CONFIG_FILE).exists():
        return folder
    steps = step_folders(next(iter(seed_folders(folder)), folder))
    return steps[-1] if steps else folder


def _step_folder(folder: Path, revision: str) -> Path:
    if step_number(revision) is not None and (folder / revision).is_dir():
        return folder / revision
    known = ", ".join(path.name for path in step_folders(folder)) or Sentence("none")
    raise AIGCError(
        "'{name}' has no revision '{revision}'; it has {known}.", name=folder, revision=revision[:100], known=known
    )


def incomplete_checkpoint(folder: Path) -> AIGCError:
    """The error for a checkpoint's folder without weights, or with weights that are a pickle."""
    return _pickle_in(folder) or AIGCError(
        "'{folder}' is not a complete checkpoint: {weights_file} is missing.", folder=folder, weights_file=WEIGHTS_FILE
    )


def no_longer_shipped(reference: CheckpointReference) -> AIGCError | None:
    """The error for a reference to a model that shipped once; None for any other."""
    path = Path(reference.location)
    if path.name not in NO_LONGER_SHIPPED or path.parent.name not in ("", "checkpoints"):
        return None
    folder = f"checkpoints/{path.name}"
    return AIGCError(
        "'{name}' does not ship any more; in a clone of the project, `{command}` brings it back.",
        name=path.name,
        command=f"git checkout $(git rev-list -1 HEAD -- {folder})~ -- {folder}",
    )


def missing_checkpoint(reference: CheckpointReference) -> AIGCError:
    """The error for a reference that leads to no folder; it says if a file is there, or names similar checkpoints."""
    path, name = Path(reference.location), str(reference)[:200]
    try:
        if path.expanduser().is_file():
            if refusal := pickle_refusal(name, [path.name]):
                return refusal
            return AIGCError(
                "'{name}' is a file; a checkpoint is a folder with {config_file} and {weights_file}.",
                name=name,
                config_file=CONFIG_FILE,
                weights_file=WEIGHTS_FILE,
            )
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or of an unknown user
        pass
    if near := checkpoints_near(reference):
        return AIGCError("There is no folder '{name}' here; near it are {near}.", name=name, near=", ".join(near))
    if path.suffix[1:].isalpha():
        return AIGCError(
            "There is no file '{name}' here; name one that is, a checkpoint's folder, or owner/name on the Hub.",
            name=name,
        )
    return AIGCError("There is no folder '{name}' here; name a checkpoint's, or owner/name on the Hub.", name=name)


def checkpoints_near(reference: CheckpointReference) -> list[str]:
    """References, in quotes, to local checkpoints with a similar name, or in a folder with a similar name."""
    path = Path(reference.location)
    parent = path.parent
    try:
        if parent.expanduser().is_dir():
            parents = [parent]
        else:
            around = {folder.name for folder in parent.parent.expanduser().iterdir() if folder.is_dir()}
            parents = [parent.with_name(name) for name in difflib.get_close_matches(parent.name, sorted(around))]
        near = [
            one / name
            for one in parents
            for name in difflib.get_close_matches(path.name, [each.name for each in models_in(one.expanduser())])
        ]
    except (OSError, ValueError, RuntimeError):  # the folder around it is missing, too, or cannot be read
        return []
    return [f"'{replace(reference, location=str(one))}'" for one in near]


def models_in(folder: Path) -> list[Path]:
    """The checkpoints, runs and recipes directly inside a folder, sorted by name."""
    return [path for path in sorted(folder.iterdir()) if _holds_models(path)]


def _holds_models(path: Path) -> bool:
    try:
        return path.is_dir() and bool((path / CONFIG_FILE).is_file() or step_folders(path) or seed_folders(path))
    except PermissionError:  # somebody else's
        return False


def carry_over(folder: Path, unfinished: Path) -> None:
    """Copy into a checkpoint's folder what the one that it will replace holds of its owner's: the card, which has a
    part of ours, and all that is not of a checkpoint."""
    for path in folder.iterdir() if folder.is_dir() else ():
        name = path.name
        ours = file_kind(name) or name in (RESULTS_FOLDER, TRAINING_STATE_FOLDER) or step_number(name) is not None
        if path.is_dir() and not ours:
            shutil.copytree(path, unfinished / name, symlinks=True)
        elif name == CARD_FILE or not ours:
            shutil.copy2(path, unfinished / name, follow_symlinks=False)


def step_folders(folder: Path) -> list[Path]:
    """The complete checkpoints `step-…` inside a folder, oldest first."""
    numbered = [
        (number, path)
        for path in folder.iterdir()
        if (number := step_number(path.name)) is not None and (path / CONFIG_FILE).is_file()
    ]
    return [path for _, path in sorted(numbered)]


def _pickle_in(folder: Path) -> AIGCError | None:
    return pickle_refusal(str(folder), sorted(path.name for path in folder.iterdir()))


def pickle_refusal(where: str, names: Iterable[str]) -> AIGCError | None:
    """The error for a place that holds these files if one of them is a pickle; None if none is."""
    pickle = next((name for name in names if Path(name).suffix.lower() in PICKLE_SUFFIXES), None)
    if pickle is None:
        return None
    return AIGCError(
        "'{folder}' holds {pickle}, a pickle, which can run code when opened and is never read here. Where it was "
        'made, or where you trust it, write the generator with torch.onnx.export(generator, noise, "FILE.onnx") and '
        "open FILE.onnx; a checkpoint has {config_file} and {weights_file}.",
        folder=where,
        pickle=pickle,
        config_file=CONFIG_FILE,
        weights_file=WEIGHTS_FILE,
    )


def seed_folders(folder: Path) -> list[Path]:
    """The runs `seed-…` inside the folder of a recipe, sorted by seed; empty for any other folder."""
    numbered = [
        (int(named.group(1)), path)
        for path in folder.iterdir()
        if (named := seed_name.fullmatch(path.name)) and path.is_dir() and step_folders(path)
    ]
    return [path for _, path in sorted(numbered)] if not (folder / CONFIG_FILE).exists() else []


def read_config(folder: Path) -> CheckpointConfig:
    """Read and validate `config.json`. Raises AIGCError if it is missing, unreadable or wrong."""
    path = folder / CONFIG_FILE
    if not (path.is_file() and (folder / WEIGHTS_FILE).is_file()) and (refusal := _pickle_in(folder)):
        raise refusal
    if not path.is_file():
        raise AIGCError("'{name}' is not a checkpoint of AIGC Studio: it has no {file}.", name=folder, file=CONFIG_FILE)
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise AIGCError("'{path}' is too large to be a checkpoint's config.", path=path)
    return read_config_file(CheckpointConfig, path, Sentence("fetch the checkpoint again"))
