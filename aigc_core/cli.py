"""The command line: `python -m aigc_core COMMAND …`.

Each command is a module of `aigc_core.commands`, imported only when it is asked for, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from .registry import load_plugins
from .terminal import run_program

COMMANDS = {
    "train": "train a generator from a preset",
    "sample": "write samples of a checkpoint as files, a grid, an NPZ, a GIF or an MP4",
    "inspect": "read the provenance of a file and check that its content can be made again",
    "evaluate": "measure checkpoints or a folder of images",
    "compare": "say which of two or more checkpoints is better, and how surely",
    "agreement": "say whether two extractors rank evaluated checkpoints alike",
    "report": "write evaluated checkpoints as a page that opens without a server",
    "push": "upload a checkpoint, a run or a recipe to the Hugging Face Hub",
    "pull": "download a checkpoint, a run or a recipe from the Hugging Face Hub",
    "list": "list checkpoints on the Hugging Face Hub",
    "convert": "make a checkpoint of a model that others made, such as an ONNX file",
    "data": "put a data set where the loaders look for it",
    "export": "copy a run's checkpoints into a folder to ship, or write a model as ONNX",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status, as `terminal.run_program` does."""
    words = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # what the client logs of a fault, the sentence says better

    def command() -> int | None:
        load_plugins()
        parser = argparse.ArgumentParser(prog="python -m aigc_core", description="Train, sample, evaluate and share.")
        subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        for name, summary in COMMANDS.items():
            subparser = subparsers.add_parser(name, help=summary, description=summary)
            if words and words[0] == name:
                module = import_module(f".commands.{name}", __package__)
                module.add_arguments(subparser)
                subparser.set_defaults(run=module.run)
        parsed = parser.parse_args(words)
        return parsed.run(parsed)

    return run_program(command)
