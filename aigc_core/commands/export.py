"""`python -m aigc_core export`: copy a run's checkpoints, without training state, into a folder to ship, or write a
checkpoint's model as an ONNX file."""

from __future__ import annotations

import shutil
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import get_args

from aigc_core.checkpoint.folder import carry_over, step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE, TRAINING_STATE_FOLDER
from aigc_core.config import parse_config
from aigc_core.conversion.onnx_export import Precision, export_onnx
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_directory
from aigc_core.hub.card import write_card
from aigc_core.hub.resolve import resolve_reference
from aigc_core.loading import load_checkpoint
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.request import REQUEST, SampleRequest

from .destination import destination
from .statements import named_values


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="RUN", help="a run or a checkpoint; with --format onnx also OWNER/NAME")
    parser.add_argument(
        "destination", nargs="?", type=destination, help="a new folder, or one whose checkpoint is replaced"
    )
    parser.add_argument("--format", choices=["folder", "onnx"], default="folder")
    parser.add_argument("--out", metavar="FILE.onnx", type=destination, help="what --format onnx writes")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of an ONNX file: float16 halves it, int8 quarters it; what that costs is printed",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of sampling that an ONNX file keeps"
    )
    parser.add_argument("--float16", action="store_true", help="store weights at half the size, rounded to 3 digits")
    parser.add_argument("--steps", type=int, default=0, help="how many earlier checkpoints to keep beside the newest")


def run(arguments: Namespace) -> int:
    if arguments.format == "onnx":
        return _write_onnx(arguments)
    if arguments.out or arguments.set or arguments.precision != "float32":
        raise AIGCError("--out, --precision and --set go with --format onnx alone.")
    if arguments.steps < 0:
        raise AIGCError("--steps takes a number from 0 on.")
    if arguments.destination is None:
        raise AIGCError("export needs a run and a new folder, or --format onnx --out FILE.onnx.")
    source, folder = Path(arguments.checkpoint), arguments.destination
    if not source.is_dir():
        raise AIGCError("There is no folder '{source}'.", source=source)
    newest = resolve_reference(source)
    if folder.exists() and not (folder / CONFIG_FILE).is_file():
        raise AIGCError("'{destination}' exists and is not a checkpoint; name a new folder.", destination=folder)
    if newest.resolve().is_relative_to(folder.resolve()):
        raise AIGCError("'{destination}' holds what is to be exported; name another folder.", destination=folder)
    if folder.resolve().is_relative_to(newest.resolve()):
        raise AIGCError("'{destination}' lies in what is to be exported; name another folder.", destination=folder)
    earlier = [step for step in step_folders(source) if step != newest]
    count = max(0, min(arguments.steps, len(earlier)))
    kept = [earlier[round(k * (len(earlier) - 1) / max(count - 1, 1))] for k in range(count)]
    with atomic_directory(folder) as unfinished:
        _copy(newest, unfinished, arguments.float16)
        carry_over(folder, unfinished)
        write_card(unfinished)
        for step in kept:
            _copy(step, unfinished / step.name, arguments.float16)
    print(folder)
    return 0


def _write_onnx(arguments: Namespace) -> int:
    if arguments.out is None or arguments.out.suffix.lower() != ".onnx":
        raise AIGCError("--format onnx needs --out FILE.onnx.")
    if arguments.destination or arguments.float16 or arguments.steps:
        raise AIGCError("--format onnx writes one file: it takes neither a folder nor --float16 nor --steps.")
    checkpoint = load_checkpoint(arguments.checkpoint)
    request = parse_config(SampleRequest, {"options": named_values("--set", arguments.set)}, REQUEST)
    exported = export_onnx(checkpoint, arguments.out, request.options_of(checkpoint.model), arguments.precision)
    print(
        f"{exported.size:,} bytes; its samples differ from PyTorch's by up to {exported.largest} of 255, "
        f"{exported.mean:.3f} on average. Measure it: python -m aigc_core evaluate {arguments.out}",
        file=sys.stderr,
    )
    print(arguments.out)
    return 0


def _copy(checkpoint: Path, folder: Path, rounded: bool) -> None:
    ignored = shutil.ignore_patterns(TRAINING_STATE_FOLDER, "step-*")
    shutil.copytree(checkpoint, folder, ignore=ignored, dirs_exist_ok=True)
    if rounded:
        Checkpoint.from_pretrained(checkpoint).write_rounded(folder)
    write_card(folder)
