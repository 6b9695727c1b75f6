"""`python -m aigc_core convert`: make a checkpoint of a model that others made."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.errors import AIGCError
from aigc_core.hub.card import write_card
from aigc_core.pipeline import Checkpoint

from .destination import destination
from .statements import add_state, stated_of


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="an ONNX file, a folder with one, or owner/name on the Hub")
    parser.add_argument("--out", required=True, metavar="FOLDER", type=destination, help="a new folder")
    add_state(parser)


def run(arguments: Namespace) -> int:
    folder = arguments.out
    if folder.exists() and not (folder / CONFIG_FILE).is_file():
        raise AIGCError("'{destination}' exists and is not a checkpoint; name a new folder.", destination=folder)
    Checkpoint.from_pretrained(arguments.source, stated=stated_of(arguments)).save_pretrained(folder)
    write_card(folder)
    print(folder)
    return 0
