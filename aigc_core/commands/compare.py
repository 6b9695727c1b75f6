"""`python -m aigc_core compare`: which of two or more evaluated checkpoints is better, and how surely."""

from __future__ import annotations

import shlex
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from aigc_core.checkpoint.folder import read_config, seed_folders
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.checkpoint.reference import CheckpointReference, seed_name
from aigc_core.errors import AIGCError, Sentence
from aigc_core.escaping import split_escaped, unescape
from aigc_core.evaluation.comparison import compare, judged, outcomes_by_judge
from aigc_core.evaluation.recipes import differences
from aigc_core.evaluation.results import FIGURES, Result, read_results, read_trials
from aigc_core.evaluation.sample_set import is_results_of_samples
from aigc_core.hub.claims import find_claims
from aigc_core.hub.files import SamplesAlone, samples_alone
from aigc_core.hub.resolve import resolve_reference
from aigc_core.hub.samples import listed_samples, local_samples
from aigc_core.serving.leaderboard import Entry, by_protocol, collect, own_sources
from aigc_core.serving.recipes import (
    recipe_groups,
    runs_alike,
    single_runs_of_two_recipes,
    single_runs_warning,
)
from aigc_core.translation import localised


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="REF",
        help="two or more evaluated checkpoints, or samples that others drew; REF,REF,… is a group, as is the folder "
        "that `train --seeds` made: runs of one recipe with different training seeds, taken together (a comma in a "
        "name is written \\,)",
    )
    parser.add_argument(
        "--metric", choices=sorted(FIGURES), metavar="METRIC", help="by default fid, or of texts bits_per_character"
    )
    parser.add_argument("--figure", dest="metric", default=SUPPRESS, help=SUPPRESS)  # as earlier commands have it


def run(arguments: Namespace) -> int:
    if len(arguments.checkpoints) < 2:
        raise AIGCError("compare takes two or more checkpoints, or groups of them.")
    for name in arguments.checkpoints:
        for reference in _members(name):
            _print_claims(reference)
    groups = [(name, _group(name)) for name in arguments.checkpoints]
    metric = arguments.metric or _first_metric([member for _, group in groups for member in group])
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
        measured = {key for key in shared if all(metric in member[key].figures for member in members)}
        disagreements: dict[str, None] = {}
        for key in [key for key in members[0] if key in (measured or shared)]:
            a, b = ([member[key] for member in group] for group in (ours, theirs))
            verdict, protocol = compare(a, b, metric), a[0].protocol
            judge = f"{protocol.extractor}: " if len(shared) > 1 and protocol.extractor else ""
            print(judge + localised(verdict.sentence(first, second)))
            all_of_first, all_of_second = (
                [result for member in group for result in member.values()] for group in (ours, theirs)
            )
            if outcomes := outcomes_by_judge(all_of_first, all_of_second, protocol, metric):
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
    _warn_of_single_runs(groups, metric)
    return 0


def _first_metric(members: Sequence[dict[str, Result]]) -> str:
    """The first of FIGURES that all members have under one protocol: FID, which is also the answer if there is none."""
    protocols = set.intersection(*({*member} for member in members))

    def is_common(name: str) -> bool:
        return any(all(name in member[key].figures for member in members) for key in protocols)

    return next(filter(is_common, FIGURES), "fid")


def evaluate_command(references: Sequence[str]) -> str:
    """The command that measures checkpoints in one way, to be pasted into a shell."""
    return shlex.join(["python", "-m", "aigc_core", "evaluate", *references])


def _warn_of_single_runs(groups: Sequence[tuple[str, list[dict[str, Result]]]], figure: str) -> None:
    """Warn that single runs of different recipes say little about the recipes, pair by pair, with the spread known
    from the groups compared here, from the other runs of these recipes, and from runs of the same families and data in
    `runs/`."""
    singles = [(_entry(name), results[0]) for name, results in groups if len(results) == 1]
    pairs = [pair for pair in combinations(singles, 2) if single_runs_of_two_recipes(*(entry for entry, _ in pair))]
    if not pairs:
        return
    configs = [entry.config for pair in pairs for entry, _ in pair if entry.config]
    compared = [_entry(reference) for name, _ in groups for reference in _members(name)]
    siblings = [run for pair in pairs for entry, _ in pair for run in _runs_beside(entry.reference)]
    measured = by_protocol([*collect([*runs_alike(own_sources(), configs), *dict.fromkeys(siblings)]), *compared])
    for (first, ours), (second, theirs) in pairs:
        for key in [key for key in ours if key in theirs]:
            known, names = recipe_groups(measured.get(key, [])), (first.reference, second.reference)
            if sentence := single_runs_warning(known, [(first, ours[key]), (second, theirs[key])], names, figure):
                print(f"warning: {localised(sentence)}", file=sys.stderr)
                break


def _runs_beside(reference: str) -> list[str]:
    """All runs of the recipe's folder that a run, or a step of one, lies in."""
    folder = CheckpointReference.parse(reference).folder
    run = folder and next((place for place in (folder, folder.parent) if seed_name.fullmatch(place.name)), None)
    return list(map(str, seed_folders(run.parent))) if run else []


def _entry(reference: str) -> Entry:
    """The leaderboard's entry of a checkpoint that is here already, or of samples alone."""
    folder = _folder(reference)
    config = read_config(folder) if (folder / CONFIG_FILE).is_file() else None
    return Entry(reference, folder, config, tuple(read_results(folder)))


def _members(name: str) -> list[str]:
    """The references of REF,REF,…, the runs of a recipe's folder, or the one that the whole name is."""
    alone = CheckpointReference.parse(name).folder
    if alone and (runs := seed_folders(alone)):
        return list(map(str, runs))
    return [name] if alone else [unescape(part, ",") for part in split_escaped(name, ",")]


def _print_claims(reference: str) -> None:
    with suppress(AIGCError):  # a missing checkpoint is reported by `_group`
        for claim in find_claims(CheckpointReference.parse(reference)):
            data = f" on {claim.data}" if claim.data else ""
            print(
                f"{reference} claims {claim.figure} {claim.value:g}{data} ({claim.file}): not measured here, and not "
                "compared."
            )


def _group(name: str) -> list[dict[str, Result]]:
    """The results, by protocol, of each member of REF,REF,…, which are to be of one recipe and of different training
    seeds."""
    members = [(reference, _folder(reference)) for reference in _members(name)]
    if len(members) > 1:
        configs = [read_config(folder) for _, folder in members if (folder / CONFIG_FILE).is_file()]
        if len({str(config.recipe.get("seed", 0)) for config in configs}) < len(members):
            raise AIGCError(
                "'{name}' is not a group: its members must come from runs with different training seeds.", name=name
            )
        if unlike := differences(configs):
            raise AIGCError(
                "'{name}' is not a group: its members must be of one recipe, and differ in {settings}.",
                name=name,
                settings=", ".join(unlike),
            )
    return [_results(reference, folder) for reference, folder in members]


def _folder(reference: str) -> Path:
    """Where the results of a checkpoint lie, or of samples alone."""
    located = CheckpointReference.parse(reference)
    if samples := local_samples(located):
        return samples.results
    try:
        return resolve_reference(located)
    except SamplesAlone:
        return listed_samples(located).results


def _results(reference: str, folder: Path) -> dict[str, Result]:
    results = {result.protocol.id: result for result in read_results(folder) + read_trials(folder)}
    if not results and is_results_of_samples(folder):
        raise samples_alone(reference)
    if not results:
        read_config(folder)  # a folder that is no checkpoint is refused as such
        raise AIGCError(
            "'{reference}' has not been evaluated; run: {command}",
            reference=reference,
            command=evaluate_command([reference]),
        )
    return results
