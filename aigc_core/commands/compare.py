"""`python -m aigc_core compare`: which of two or more evaluated checkpoints is better, and how surely."""

from __future__ import annotations

import shlex
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from aigc_core.checkpoint.folder import read_config, seed_folders
from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.errors import AIGCError, Sentence
from aigc_core.escaping import split_escaped, unescape
from aigc_core.evaluation.comparison import compare, judged, outcomes_by_judge
from aigc_core.evaluation.results import FIGURES, Result, read_results, read_trials
from aigc_core.hub.claims import find_claims
from aigc_core.hub.resolve import resolve_reference
from aigc_core.translation import localised


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="REF",
        help="two or more evaluated checkpoints; REF,REF,… is a group: training seeds of one recipe, taken together "
        "(a comma in a name is written \\,), as is the folder that `train --seeds` made",
    )
    parser.add_argument("--metric", default="fid", choices=sorted(FIGURES), metavar="METRIC", help="by default fid")
    parser.add_argument("--figure", dest="metric", default=SUPPRESS, help=SUPPRESS)  # as earlier commands have it


def run(arguments: Namespace) -> int:
    if len(arguments.checkpoints) < 2:
        raise AIGCError("compare takes two checkpoints, or groups of them, or more.")
    for name in arguments.checkpoints:
        for reference in _members(name):
            _print_claims(reference)
    groups = [(name, _group(name)) for name in arguments.checkpoints]
    for (first, ours), (second, theirs) in combinations(groups, 2):
        members = [*ours, *theirs]
        shared = set.intersection(*({*member} for member in members))
        if not shared:
            raise AIGCError(
                "'{first}' and '{second}' were not evaluated in the same way; run: {command}",
                first=first,
                second=second,
                command=evaluate_command(_members(first) + _members(second)),
            )
        # Where no protocol has the metric, the comparison says so.
        measured = {key for key in shared if all(arguments.metric in member[key].figures for member in members)}
        disagreements: dict[str, None] = {}
        for key in [key for key in members[0] if key in (measured or shared)]:
            a, b = ([member[key] for member in group] for group in (ours, theirs))
            verdict, protocol = compare(a, b, arguments.metric), a[0].protocol
            judge = f"{protocol.extractor}: " if len(shared) > 1 and protocol.extractor else ""
            print(judge + localised(verdict.sentence(first, second)))
            all_of_first, all_of_second = (
                [result for member in group for result in member.values()] for group in (ours, theirs)
            )
            if outcomes := outcomes_by_judge(all_of_first, all_of_second, protocol, arguments.metric):
                each_judge = localised(Sentence(", ")).join(localised(judged(*each)) for each in outcomes.items())
                disagreement = Sentence(
                    "The verdict depends on the judge: {a} against {b} is {outcomes}.",
                    a=first,
                    b=second,
                    outcomes=each_judge,
                )
                disagreements[localised(disagreement)] = None
        for sentence in disagreements:
            print(sentence)
    return 0


def evaluate_command(references: Sequence[str]) -> str:
    """The command that measures checkpoints in one way, to be pasted into a shell."""
    return shlex.join(["python", "-m", "aigc_core", "evaluate", *references])


def _members(name: str) -> list[str]:
    """The references of REF,REF,…, the runs of a recipe's folder, or the one that the whole name is."""
    alone = CheckpointReference.parse(name).folder
    if alone and (runs := seed_folders(alone)):
        return list(map(str, runs))
    return [name] if alone else [unescape(part, ",") for part in split_escaped(name, ",")]


def _print_claims(reference: str) -> None:
    with suppress(AIGCError):  # if it is not there at all, that is said below
        for claim in find_claims(CheckpointReference.parse(reference)):
            data = f" on {claim.data}" if claim.data else ""
            print(
                f"{reference} claims {claim.figure} {claim.value:g}{data} ({claim.file}): not measured here, and not "
                "compared."
            )


def _group(name: str) -> list[dict[str, Result]]:
    """The results, by protocol, of each member of REF,REF,…, which are to be of different training seeds."""
    members = [(reference, resolve_reference(reference)) for reference in _members(name)]
    if len(members) > 1:
        seeds = {read_config(folder).recipe.get("seed", 0) for _, folder in members}
        if len(seeds) < len(members):
            raise AIGCError(
                "'{name}' is no group: its members must come from runs with different training seeds.", name=name
            )
    return [_results(reference, folder) for reference, folder in members]


def _results(reference: str, folder: Path) -> dict[str, Result]:
    results = {result.protocol.id: result for result in read_results(folder) + read_trials(folder)}
    if not results:
        read_config(folder)  # first of all, it is to be a checkpoint
        raise AIGCError(
            "'{reference}' has not been evaluated; run: {command}",
            reference=reference,
            command=evaluate_command([reference]),
        )
    return results
