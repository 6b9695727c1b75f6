"""`python -m aigc_core evaluate`: measure checkpoints and write the results beside them."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from tqdm import tqdm

from ..card import write_card
from ..checkpoint import Checkpoint
from ..evaluation import DEFAULT_NUM_SAMPLES, evaluate
from ..results import FIGURES, Result, write_result


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoints", nargs="+", metavar="REF", help="folder, folder@step-…, or owner/name on the Hub")
    parser.add_argument("--num-samples", type=int, default=DEFAULT_NUM_SAMPLES)
    parser.add_argument("--extractor", help="by default the classifier of the data set")
    parser.add_argument("--reference", help="DATASET or DATASET:SPLIT; by default the training data's test split")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: Namespace) -> int:
    for reference in arguments.checkpoints:
        checkpoint = Checkpoint.from_pretrained(reference)
        with tqdm(total=100, unit="%", desc=reference, disable=arguments.json) as bar:

            def show(share: float, bar: tqdm = bar) -> None:
                bar.update(round(100 * share) - bar.n)

            result = evaluate(
                checkpoint,
                reference=arguments.reference,
                extractor=arguments.extractor,
                num_samples=arguments.num_samples,
                progress=show,
            )
        if checkpoint.path is not None:
            write_result(result, checkpoint.path)
            write_card(checkpoint.path)
        print(json.dumps(result.model_dump(mode="json")) if arguments.json else as_text(reference, result))
    return 0


def as_text(reference: str, result: Result) -> str:
    """A result as lines for a terminal."""
    lines = [
        f"{reference}: {result.protocol.num_samples:,} samples against {result.protocol.dataset}, {result.seconds} s"
    ]
    for name, figure in result.figures.items():
        lines.append(f"  {FIGURES[name].title:16} {figure.value:8.4f}   [{figure.low:.4f}, {figure.high:.4f}]")
    return "\n".join(lines)
