"""`python -m aigc_core export`: copy a run's checkpoints, without training state, into a folder to ship."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from aigc_core.checkpoint.folder import step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE, TRAINING_STATE_FOLDER
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_directory
from aigc_core.hub.card import write_card
from aigc_core.hub.resolve import resolve_reference
from aigc_core.pipeline import Checkpoint


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("destination", help="a new folder, or one with a checkpoint, which is replaced")
    parser.add_argument("--float16", action="store_true", help="store weights at half the size, rounded to 3 digits")
    parser.add_argument("--steps", type=int, default=0, help="how many earlier checkpoints to keep beside the newest")


def run(arguments: Namespace) -> int:
    source, destination = Path(arguments.run_folder), Path(arguments.destination)
    if not source.is_dir():
        raise AIGCError("There is no folder '{source}'.", source=source)
    newest = resolve_reference(source)
    if destination.exists() and not (destination / CONFIG_FILE).is_file():
        raise AIGCError("'{destination}' exists and is not a checkpoint; name a new folder.", destination=destination)
    if newest.resolve().is_relative_to(destination.resolve()):
        raise AIGCError("'{destination}' holds what is to be exported; name another folder.", destination=destination)
    earlier = [step for step in step_folders(source) if step != newest]
    count = max(0, min(arguments.steps, len(earlier)))
    kept = [earlier[round(k * (len(earlier) - 1) / max(count - 1, 1))] for k in range(count)]
    with atomic_directory(destination) as unfinished:
        _copy(newest, unfinished, arguments.float16)
        for step in kept:
            _copy(step, unfinished / step.name, arguments.float16)
    print(destination)
    return 0


def _copy(checkpoint: Path, folder: Path, rounded: bool) -> None:
    ignored = shutil.ignore_patterns(TRAINING_STATE_FOLDER, "step-*")
    shutil.copytree(checkpoint, folder, ignore=ignored, dirs_exist_ok=True)
    if rounded:
        Checkpoint.from_pretrained(checkpoint).write_rounded(folder)
    write_card(folder)
