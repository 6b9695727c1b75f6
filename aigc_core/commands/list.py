"""`python -m aigc_core list`: list checkpoints on the Hugging Face Hub."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..hub import TAG, list_checkpoints


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--owner", help="only this user's or organisation's")
    parser.add_argument("--tag", default=TAG)


def run(arguments: Namespace) -> int:
    for entry in list_checkpoints(arguments.owner, arguments.tag):
        print(entry.repo_id, entry.updated)
    return 0
