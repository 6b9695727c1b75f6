"""A leaderboard's tables: what is derived from evaluated checkpoints, computed once for all who look at them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from aigc_core.evaluation.results import FIGURES, Result

from .leaderboard import Entry, Row, by_protocol, disputed, ranked
from .recipes import RecipeGroup, RecipeRow, ranked_recipes, recipe_groups

Derived = TypeVar("Derived")


class Board:
    """Checkpoints with results, their tables by protocol, and ranks. Threads may share it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)
        self._known: dict[Hashable, Any] = {}
        self._lock = threading.RLock()

    @cached_property
    def groups(self) -> dict[str, list[tuple[Entry, Result]]]:
        """The entries that may be ranked together, by the protocol's id."""
        return by_protocol(self.entries)

    @cached_property
    def measured(self) -> list[str]:
        """The names of the figures that any of them has."""
        present = {name for group in self.groups.values() for _, result in group for name in result.figures}
        return [name for name in FIGURES if name in present]

    def ranked(self, protocol: str, figure: str) -> list[Row]:
        """The rows of a protocol's table by rank in a figure."""
        return self._once(("rows", protocol, figure), lambda: ranked(self.groups[protocol], figure))

    def disputed(self, protocol: str, figure: str) -> dict[str, list[tuple[str, str]]]:
        """The pairs of a protocol's table whose order another judge turns round, by that judge."""
        return self._once(("disputed", protocol, figure), lambda: disputed(self.ranked(protocol, figure), figure))

    def recipes(self, protocol: str) -> list[RecipeGroup]:
        """The recipes in a protocol's table."""
        return self._once(("recipes", protocol), lambda: recipe_groups(self.groups[protocol]))

    def ranked_recipes(self, protocol: str, figure: str) -> list[RecipeRow]:
        """The rows of a protocol's table of recipes by rank in a figure."""
        return self._once(("recipe rows", protocol, figure), lambda: ranked_recipes(self.recipes(protocol), figure))

    def _once(self, key: Hashable, derive: Callable[[], Derived]) -> Derived:
        with self._lock:
            if key not in self._known:
                self._known[key] = derive()
            return self._known[key]
