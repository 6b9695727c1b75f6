"""`python -m aigc_core agreement`: do two extractors rank the evaluated checkpoints of a data set alike?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from aigc_core.errors import AIGCError, Sentence
from aigc_core.evaluation.agreement import FEWEST_FOR_INTERVAL, Agreement, judged_by_both, rank_agreement
from aigc_core.evaluation.results import FIGURES
from aigc_core.metrics.extractors import extractor_names
from aigc_core.serving.leaderboard import collect, labels, shipped_sources


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("first", metavar="EXTRACTOR", help=f"one of {', '.join(extractor_names())}")
    parser.add_argument("second", metavar="EXTRACTOR", help="another one")
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="checkpoints with their steps, runs, owner/name or an owner on the Hub; by default those that ship",
    )
    parser.add_argument("--figure", default="fid", choices=sorted(FIGURES))


def run(arguments: Namespace) -> int:
    if arguments.first == arguments.second:
        raise AIGCError("agreement takes two different extractors.")
    entries = collect(arguments.sources or shipped_sources())
    for entry in entries:
        if entry.problem:
            print(f"warning: {entry.reference}: {entry.problem}", file=sys.stderr)
    named = labels(entries)
    results = [(named[entry.reference], entry.results) for entry in entries]
    groups = judged_by_both(results, arguments.first, arguments.second, arguments.figure)
    if not groups:
        known = sorted({result.protocol.extractor for _, of_one in results for result in of_one} - {""})
        raise AIGCError(
            "No checkpoint here has results of both '{first}' and '{second}'; there are results of {known}. Measure "
            "more with: python -m aigc_core evaluate CHECKPOINT --extractor NAME",
            first=arguments.first,
            second=arguments.second,
            known=", ".join(known) or Sentence("none"),
        )
    title = FIGURES[arguments.figure].title
    for against, judged in groups.items():
        print(f"{against}: {title} by {arguments.first} and by {arguments.second}")
        for one in sorted(judged, key=lambda one: one.first):
            print(f"  {one.name:40} {one.first:10.4g} {one.second:10.4g}")
        try:
            found = rank_agreement([one.first for one in judged], [one.second for one in judged])
        except AIGCError as error:
            print(f"  {error}")
            continue
        print(f"  Kendall's tau {found.tau:.3f}{_how_sure(found)}")
    return 0


def _how_sure(found: Agreement) -> str:
    if found.interval is None:
        why = "too few for an interval" if found.count < FEWEST_FOR_INTERVAL else "whose order gives no interval"
        orders = f"of all their orders, {found.chance:.2g} agree or disagree as much"
        return f" over {found.count} checkpoints, {why}: {orders}"
    low, high = found.interval
    return (
        f"   [{low:.3f}, {high:.3f}] over {found.count} checkpoints "
        "(95 %, bootstrap over checkpoints; steps of one training make it too narrow)"
    )
