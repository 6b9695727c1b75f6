"""`python -m aigc_core evaluate`: measure checkpoints, or a folder of images, and write the results beside them."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from aigc_core.checkpoint.folder import CONFIG_FILE, Checkpoint, step_folders
from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.evaluation.evaluate import (
    DEFAULT_NUM_SAMPLES,
    default_reference,
    evaluate,
    evaluate_folder,
    load_reference,
)
from aigc_core.evaluation.results import ENOUGH_IMAGES, FIGURES, Result
from aigc_core.hub.card import write_card

from ..device import best_device
from ..errors import AIGCError
from ..metrics.extractors import extractor_names

NEEDED = {
    "is": "an extractor that classifies",
    "ppl": "a generator",
    "label_agreement": "a model with the reference's classes and the classifier of the data as extractor",
    "mode_coverage": "the classifier of the data as extractor",
    "class_imbalance": "the classifier of the data as extractor",
}
"""What figures that cannot always be measured need. Of memorisation, `evaluate` says itself why it was not measured."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="*",
        metavar="REF",
        help="folder, folder@step-…, a folder of checkpoints, or owner/name on the Hub",
    )
    parser.add_argument("--folder", type=Path, help="judge the images in a folder, from whatever tool")
    parser.add_argument(
        "--reference", help="DATASET, DATASET:SPLIT or a folder; by default the training data's test split"
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=FIGURES,
        default=list(FIGURES),
        metavar="FIGURE",
        help=f"some of {', '.join(FIGURES)}",
    )
    parser.add_argument("--num-samples", type=int, default=DEFAULT_NUM_SAMPLES)
    parser.add_argument(
        "--extractor", help=f"one of {', '.join(extractor_names())}; by default the classifier of the data"
    )
    parser.add_argument(
        "--weights", type=Path, help="a file of weights for the extractor, where it cannot download them"
    )
    parser.add_argument("--json", action="store_true", help="print each result as a line of JSON")


def run(arguments: Namespace) -> int:
    if bool(arguments.checkpoints) == bool(arguments.folder):
        raise AIGCError("evaluate takes checkpoints, or --folder with a folder of images.")
    if arguments.folder is not None:
        if arguments.reference is None:
            raise AIGCError("--folder needs --reference: a data set, or a folder of real images.")
        result = evaluate_folder(
            arguments.folder, arguments.reference, arguments.extractor, arguments.weights, arguments.metrics
        )
        _print(str(arguments.folder), result, arguments)
        return 0
    references = {}
    for name in chain.from_iterable(map(_expanded, arguments.checkpoints)):
        checkpoint = Checkpoint.from_pretrained(name, device=best_device())
        config = checkpoint.config
        size = config.image_shape.resolution, config.image_shape.channels
        against = (arguments.reference or (config.dataset, config.data_hash), *size)
        if against not in references:
            references[against] = (
                load_reference(arguments.reference, arguments.extractor, arguments.weights, *size)
                if arguments.reference
                else default_reference(config, arguments.extractor, arguments.weights)
            )
        with tqdm(total=arguments.num_samples, unit=" samples", desc=name, disable=arguments.json) as bar:

            def show(share: float, bar: tqdm = bar) -> None:
                bar.update(round(share * arguments.num_samples) - bar.n)

            result = evaluate(
                checkpoint,
                reference=references[against],
                num_samples=arguments.num_samples,
                metrics=arguments.metrics,
                progress=show,
            )
        if checkpoint.path is not None:
            write_card(checkpoint.path)
        _print(name, result, arguments)
    return 0


def _expanded(name: str) -> list[str]:
    """A folder of checkpoints stands for all of them and their steps."""
    folder = Path(name)
    if not folder.is_dir() or (folder / CONFIG_FILE).is_file() or step_folders(folder):
        return [name]
    models = sorted(model for model in folder.iterdir() if (model / CONFIG_FILE).is_file())
    references = [
        CheckpointReference(str(model), revision)
        for model in models
        for revision in ("", *(step.name for step in step_folders(model)))
    ]
    return list(map(str, references)) or [name]


def _print(name: str, result: Result, arguments: Namespace) -> None:
    protocol = result.protocol
    for count, what in ((protocol.num_samples, "samples"), (protocol.num_reference, "real images")):
        if count < ENOUGH_IMAGES:
            print(
                f"warning: {count} {what} are few: FID is biased upwards, intervals are wide; use {ENOUGH_IMAGES:,} or "
                "more.",
                file=sys.stderr,
            )
    for figure in arguments.metrics if set(arguments.metrics) != set(FIGURES) else ():
        if figure in NEEDED and figure not in result.figures:
            print(f"warning: {figure} was not measured; it needs {NEEDED[figure]}.", file=sys.stderr)
    print(json.dumps(result.model_dump(mode="json")) if arguments.json else as_text(name, result))


def as_text(name: str, result: Result) -> str:
    """A result as lines for a terminal."""
    protocol = result.protocol
    lines = [
        f"{name}: {protocol.num_samples:,} samples against {protocol.num_reference:,} images of {protocol.dataset} "
        f"({protocol.split}), {protocol.extractor}, {result.seconds} s"
    ]
    for key, figure in result.figures.items():
        lines.append(f"  {FIGURES[key].title:16} {figure.value:8.4f}   [{figure.low:.4f}, {figure.high:.4f}]")
    for class_name, of_class in result.classes.items():
        if of_class.fid is not None:
            fid = of_class.fid
            lines.append(f"  FID of {class_name:9} {fid.value:8.4f}   [{fid.low:.4f}, {fid.high:.4f}]")
    return "\n".join(lines)
