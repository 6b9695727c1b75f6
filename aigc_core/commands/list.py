"""`python -m aigc_core list`: list checkpoints on the Hugging Face Hub, or the revisions of one."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.errors import Sentence
from aigc_core.hub import TAG
from aigc_core.hub.listing import list_checkpoints
from aigc_core.hub.revisions import list_revisions
from aigc_core.translation import localised


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("repo_id", nargs="?", metavar="OWNER/NAME", help="list the revisions of this repository")
    parser.add_argument("--owner", help="only this user's or organisation's")
    parser.add_argument("--tag", default=TAG, help=f"only those with this tag; by default {TAG}")
    parser.add_argument("--collection", metavar="OWNER/NAME-ID", help="only those in this collection")


def run(arguments: Namespace) -> int:
    if arguments.repo_id:
        for revision in list_revisions(arguments.repo_id):
            print(CheckpointReference(arguments.repo_id, revision.name), revision.commit)
        return 0
    entries = list_checkpoints(arguments.owner, arguments.tag, arguments.collection)
    if not entries:
        print(localised(Sentence("No checkpoint found.")), file=sys.stderr)
    for entry in entries:
        print(entry.repo_id, entry.updated, "private" if entry.private else "public")
    return 0
