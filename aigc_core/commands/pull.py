"""`python -m aigc_core pull`: download a checkpoint from the Hugging Face Hub."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..checkpoint import Checkpoint


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="OWNER/NAME[@REVISION]")


def run(arguments: Namespace) -> int:
    print(Checkpoint.from_pretrained(arguments.checkpoint).path)
    return 0
