"""`python -m aigc_core pull`: download a checkpoint, a run or a recipe's runs from the Hugging Face Hub."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.hub.copy import copy_repository
from aigc_core.hub.pull import pull
from aigc_core.pipeline import Checkpoint

from .destination import destination


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="OWNER/NAME[@REVISION]")
    parser.add_argument(
        "--out",
        type=destination,
        metavar="FOLDER",
        help="copy it into this folder: a checkpoint, a run with all its steps, or the runs of `train --seeds`; "
        "without it, one checkpoint is fetched into the Hub's cache",
    )


def run(arguments: Namespace) -> int:
    reference = CheckpointReference.parse(arguments.checkpoint)
    if arguments.out:
        print(copy_repository(reference.location, arguments.out, reference.revision))
        return 0
    folder = pull(reference.location, reference.revision or None)
    Checkpoint.read(folder, str(reference))
    print(folder)
    return 0
