"""Recipes on the leaderboard: evaluated checkpoints grouped by what made them, ranked as groups of training seeds."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.folder import local_checkpoint, read_config
from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.errors import AIGCError, Sentence
from aigc_core.evaluation.comparison import group_ranks
from aigc_core.evaluation.recipes import SeedEstimate, over_seeds, recipe_id, training_seed
from aigc_core.evaluation.results import FIGURES, Protocol, Result
from aigc_core.metrics.estimate import Estimate

from .leaderboard import Entry, labels


@dataclass(frozen=True)
class RecipeGroup:
    """Two checkpoints or more, with their results by one protocol, that differ only in the training seed."""

    id: str
    name: str
    members: tuple[tuple[Entry, Result], ...]
    _known: dict[str, SeedEstimate | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def results(self) -> list[Result]:
        """Those of its members."""
        return [result for _, result in self.members]

    @property
    def config(self) -> CheckpointConfig | None:
        """That of its first member, which is all members' but for the seed."""
        return self.members[0][0].config

    def figure(self, name: str) -> SeedEstimate | None:
        """What the members together show in a figure; None unless all have it."""
        if name not in self._known:
            found = [result.figures[name] for result in self.results if name in result.figures]
            self._known[name] = over_seeds(found) if len(found) == len(self.members) else None
        return self._known[name]


@dataclass(frozen=True)
class RecipeRow:
    """A row of a protocol's table of recipes; `rank` is None where the ranked figure was not measured."""

    rank: int | None
    group: RecipeGroup

    @property
    def lead(self) -> dict[str, str]:
        """What stands before its figures in a text, by its heading; the rank is empty where there is none."""
        return {"Rank": str(self.rank or ""), "Recipe": self.group.name, "Seeds": str(len(self.group.members))}

    @property
    def protocol(self) -> Protocol:
        """That of its figures."""
        return self.group.results[0].protocol

    def estimate(self, name: str) -> Estimate | None:
        """The mean of a figure over the training seeds, if all have it."""
        found = self.group.figure(name)
        return found and found.mean


@dataclass(frozen=True)
class KnownSpread:
    """How much retraining alone moves a figure: a standard deviation, and the number of runs that it is known from."""

    value: float
    runs: int


def recipe_groups(measured: Sequence[tuple[Entry, Result]]) -> list[RecipeGroup]:
    """The recipes of a protocol's checkpoints that were trained with two seeds or more, one checkpoint a seed."""
    by_recipe: dict[str, dict[int, tuple[Entry, Result]]] = {}
    for entry, result in measured:
        if entry.config and (recipe := recipe_id(entry.config)):
            by_recipe.setdefault(recipe, {}).setdefault(training_seed(entry.config), (entry, result))
    named = labels(entry for entry, _ in measured)
    groups = []
    for recipe, by_seed in by_recipe.items():
        if len(by_seed) > 1:
            members = tuple(by_seed[seed] for seed in sorted(by_seed))
            names = [named[entry.reference] for entry, _ in members]
            groups.append(RecipeGroup(recipe, _common_name(names, {*named.values()} - {*names}), members))
    return groups


def _common_name(names: Sequence[str], others: Iterable[str]) -> str:
    """What names have in common, with * for the rest, and of a folder's path the last two parts; all of them where they
    have nothing in common, or others have it too."""
    start = os.path.commonprefix(list(names))
    rest = [name[len(start) :] for name in names]
    end = os.path.commonprefix([name[::-1] for name in rest])[::-1]
    has_more = any(name.startswith(start) and name[len(start) :].endswith(end) for name in others)
    if has_more or (not start and len(end) < 2):
        return " + ".join(names)
    name = f"{start}*{end}"
    return "/".join(Path(name).parts[-2:]) if Path(name).is_absolute() else name


def ranked_recipes(groups: Sequence[RecipeGroup], figure: str) -> list[RecipeRow]:
    """Recipes by rank in a figure, then by mean; what lacks the figure comes last."""
    means = [(group, found.mean.value) for group in groups if (found := group.figure(figure))]
    places = group_ranks([group.results for group, _ in means], figure)
    sign = 1 if FIGURES[figure].better == "lower" else -1
    ordered = sorted(zip(places, means), key=lambda place: (place[0], sign * place[1][1]))
    rows = [RecipeRow(rank, group) for rank, (group, _) in ordered]
    return [*rows, *(RecipeRow(None, group) for group in groups if group.figure(figure) is None)]


def known_spread(
    groups: Sequence[RecipeGroup], pair: Sequence[tuple[Entry, Result]], figure: str
) -> KnownSpread | None:
    """How much retraining moves a figure of recipes such as those of two single runs, estimated from groups.

    Groups of either recipe count; if there are none, all groups of the same families and data. Their deviations are
    pooled as shares of their means, since a worse figure varies more. None without such groups.
    """
    configs = [entry.config for entry, _ in pair if entry.config]
    recipes = {*map(recipe_id, configs)}
    kinds = {(config.family, config.dataset) for config in configs}
    found = [(group, known) for group in groups if (known := group.figure(figure)) and known.mean.value]
    own = [known for group, known in found if group.id in recipes]
    alike = [known for group, known in found if group.config and (group.config.family, group.config.dataset) in kinds]
    relevant = own or alike
    if not relevant:
        return None
    freedom = sum(known.count - 1 for known in relevant)
    pooled = sum((known.count - 1) * (known.spread / known.mean.value) ** 2 for known in relevant) / freedom
    level = sum(result.figures[figure].value for _, result in pair) / len(pair)
    return KnownSpread(abs(level) * math.sqrt(pooled), sum(known.count for known in relevant))


def runs_alike(runs: Iterable[str], configs: Sequence[CheckpointConfig]) -> list[str]:
    """Those of the local runs that `known_spread` of these checkpoints can use: of the family and the data of one of
    them. No results are read."""
    alike = []
    for run in runs:
        newest = local_checkpoint(CheckpointReference.parse(run))
        with suppress(AIGCError):  # a broken one is of no use
            theirs = read_config(newest) if newest else None
            if theirs and any(
                ours.family == theirs.family and (ours.dataset == theirs.dataset or ours.data_hash == theirs.data_hash)
                for ours in configs
            ):
                alike.append(run)
    return alike


def single_runs_of_two_recipes(first: Entry, second: Entry) -> bool:
    """Whether two checkpoints were made by unlike recipes, as far as both are known: then one run each says little."""
    if first.config is None or second.config is None or first.model == second.model:
        return False
    recipes = [recipe_id(config) for config in (first.config, second.config)]
    return all(recipes) and recipes[0] != recipes[1]


def single_runs_warning(
    groups: Sequence[RecipeGroup], pair: Sequence[tuple[Entry, Result]], names: Sequence[str], figure: str
) -> Sentence | None:
    """How little one run of each of two recipes says about them, with the spread known from groups.

    None of any other pair, and where the figure was not measured.
    """
    if not single_runs_of_two_recipes(pair[0][0], pair[1][0]):
        return None
    if any(figure not in result.figures for _, result in pair):
        return None
    called = {"a": names[0], "b": names[1], "figure": Sentence(FIGURES[figure].title)}
    if spread := known_spread(groups, pair, figure):
        return Sentence(
            "{a} and {b} are single runs of two recipes: retraining alone moves {figure} of such recipes by about "
            "{spread} (standard deviation, known from {runs} runs). The verdict is on these two checkpoints.",
            spread=f"{spread.value:.2g}",
            runs=spread.runs,
            **called,
        )
    return Sentence(
        "{a} and {b} are single runs of two recipes, and by how much retraining alone moves {figure} is not known "
        "here. The verdict is on these two checkpoints; `train --seeds 5` trains a recipe with five seeds.",
        **called,
    )


def recipe_records(rows: Sequence[RecipeRow]) -> list[dict[str, object]]:
    """Rows as records of numbers: rank, name, seeds, and each figure's mean, both ends of its interval and spread."""
    table = []
    for row in rows:
        record: dict[str, object] = {
            "rank": row.rank,
            "recipe": row.group.name,
            "training_seeds": len(row.group.members),
            "samples_seen": max(result.samples_seen for result in row.group.results),
            "protocol": row.group.results[0].protocol.id,
        }
        for name in FIGURES:
            if found := row.group.figure(name):
                record |= found.mean.columns(name) | {f"{name}_spread": found.spread}
        table.append(record)
    return table
