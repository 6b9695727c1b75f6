"""`python -m aigc_core compare`: which of two or more evaluated checkpoints is better, and how surely."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import combinations

from ..checkpoint import resolve_reference
from ..comparison import compare
from ..errors import AIGCError
from ..results import FIGURES, Result, read_results


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoints", nargs="+", metavar="REF", help="two or more evaluated checkpoints")
    parser.add_argument("--figure", default="fid", choices=sorted(FIGURES))


def run(arguments: Namespace) -> int:
    if len(arguments.checkpoints) < 2:
        raise AIGCError("compare takes two checkpoints or more.")
    results = {reference: _results(reference) for reference in arguments.checkpoints}
    for first, second in combinations(arguments.checkpoints, 2):
        shared = results[first].keys() & results[second].keys()
        if not shared:
            raise AIGCError(f"'{first}' and '{second}' share no protocol; evaluate both in the same way.")
        for protocol in sorted(shared):
            verdict = compare(results[first][protocol], results[second][protocol], arguments.figure)
            print(f"{first} and {second}: {verdict.outcome}. {verdict.sentence}")
    return 0


def _results(reference: str) -> dict[str, Result]:
    results = {result.protocol.id: result for result in read_results(resolve_reference(reference))}
    if not results:
        raise AIGCError(f"'{reference}' has not been evaluated; run: python -m aigc_core evaluate {reference}")
    return results
