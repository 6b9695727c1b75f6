"""`python -m aigc_core export`: copy a run's checkpoints, without training state, into a folder to ship."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..card import write_card
from ..checkpoint import TRAINING_STATE_FOLDER, resolve_reference, step_folders, written_whole


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("destination")
    parser.add_argument("--steps", type=int, default=0, help="how many earlier checkpoints to keep beside the newest")


def run(arguments: Namespace) -> int:
    source, destination = Path(arguments.run_folder), Path(arguments.destination)
    newest = resolve_reference(source)
    earlier = [step for step in step_folders(source) if step != newest]
    count = min(arguments.steps, len(earlier))
    kept = [earlier[round(k * (len(earlier) - 1) / max(count - 1, 1))] for k in range(count)]
    leave_out = shutil.ignore_patterns(TRAINING_STATE_FOLDER)
    with written_whole(destination) as unfinished:
        shutil.copytree(newest, unfinished, ignore=leave_out, dirs_exist_ok=True)
        write_card(unfinished)
        for step in kept:
            shutil.copytree(step, unfinished / step.name, ignore=leave_out)
            write_card(unfinished / step.name)
    print(destination)
    return 0
