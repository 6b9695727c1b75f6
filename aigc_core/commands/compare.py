"""`python -m aigc_core compare`: which of two or more evaluated checkpoints is better, and how surely."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import combinations

from ..checkpoint import resolve_reference
from ..comparison import compare
from ..errors import AIGCError
from ..results import FIGURES, Result, read_results


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="REF",
        help="two or more evaluated checkpoints; REF,REF,… is a group: training seeds of one recipe, taken together",
    )
    parser.add_argument("--figure", default="fid", choices=sorted(FIGURES))


def run(arguments: Namespace) -> int:
    if len(arguments.checkpoints) < 2:
        raise AIGCError("compare takes two checkpoints, or groups of them, or more.")
    results = {name: [_results(reference) for reference in name.split(",")] for name in arguments.checkpoints}
    for first, second in combinations(results, 2):
        members = [*results[first], *results[second]]
        shared = set.intersection(*({*member} for member in members))
        if not shared:
            raise AIGCError(f"'{first}' and '{second}' share no protocol; evaluate both in the same way.")
        for protocol in sorted(shared):
            a, b = ([member[protocol] for member in results[name]] for name in (first, second))
            verdict = compare(a, b, arguments.figure)
            print(f"{first} and {second}: {verdict.outcome}. {verdict.sentence}")
    return 0


def _results(reference: str) -> dict[str, Result]:
    results = {result.protocol.id: result for result in read_results(resolve_reference(reference))}
    if not results:
        raise AIGCError(f"'{reference}' has not been evaluated; run: python -m aigc_core evaluate {reference}")
    return results
