"""How far rounding the shipped weights to float16 moves their figures.

The results that ship were measured with the weights float32. Each model that was rounded is measured again, by the
same protocol and with the same seeds. A row is the figure of a model that moved furthest.
"""

from __future__ import annotations

import argparse

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.layout import WEIGHTS_FILE
from aigc_core.evaluation.evaluate import evaluate
from aigc_core.evaluation.results import read_results
from aigc_core.metrics.extractors import is_second_judge
from aigc_core.pipeline import Checkpoint

from .report import print_table

METRICS = ("fid", "is", "kid", "precision", "recall", "density", "coverage", "label_agreement")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = []
    for weights in sorted(SHIPPED.glob(f"*/{WEIGHTS_FILE}")):
        checkpoint = Checkpoint.from_pretrained(weights.parent)
        if not checkpoint.config.rounded_from:
            continue
        checkpoint.path = None  # nothing is written beside the results that it is compared with
        before = next(found for found in read_results(weights.parent) if not is_second_judge(found.protocol.extractor))
        protocol = before.protocol
        reference = f"{protocol.dataset}:{protocol.split}"
        metrics = [name for name in METRICS if name in before.figures]
        after = evaluate(
            checkpoint,
            reference=reference,
            extractor=protocol.extractor,
            num_samples=protocol.num_samples,
            metrics=metrics,
        )
        if after.protocol.id != protocol.id:
            raise SystemExit(f"{weights.parent.name} was measured by another protocol; evaluate it again.")
        moved = {
            name: abs(after.figures[name].value - figure.value) / max(figure.high - figure.low, 1e-12)
            for name, figure in before.figures.items()
            if name in after.figures
        }
        name = max(moved, key=lambda name: moved[name])
        figures = f"{before.figures[name].value:.5g}", f"{after.figures[name].value:.5g}"
        rows.append([weights.parent.name, name, *figures, f"{moved[name]:.3f}"])
    head = ["model", "figure that moved furthest", "float32", "float16", "share of its interval"]
    print_table("Figures of the shipped models, before and after rounding", head, rows)


if __name__ == "__main__":
    main()
