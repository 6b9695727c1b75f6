"""`python -m aigc_core pull`: download a checkpoint from the Hugging Face Hub."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.hub.client import pull
from aigc_core.pipeline import Checkpoint


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="OWNER/NAME[@REVISION]")


def run(arguments: Namespace) -> int:
    reference = CheckpointReference.parse(arguments.checkpoint)
    folder = pull(reference.location, reference.revision or None)
    Checkpoint.from_pretrained(folder)
    print(folder)
    return 0
