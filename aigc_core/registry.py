"""Registries: items of one kind by name, and how plugins add to them.

Built-in items register themselves when the module that holds them is imported, and so do those of plugins: modules
named in the environment variable AIGC_PLUGINS, separated by commas, or by other packages' entry points of the group
`aigc_core.plugins`. Both are imported when a registry is first used, so that registering costs no start-up time.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from .errors import AIGCError, Sentence

PLUGINS_VARIABLE = "AIGC_PLUGINS"
ENTRY_POINT_GROUP = "aigc_core.plugins"

Item = TypeVar("Item")


def find(kind: str, name: str, known: Mapping[str, Item]) -> Item:
    """The item of that name among the `known` ones. Raises AIGCError, which lists them, if there is none."""
    if name not in known:
        raise _unknown(Sentence(kind), name, known)
    return known[name]


def _unknown(kind: Sentence, name: str, known: Iterable[str]) -> AIGCError:
    return AIGCError("There is no {kind} '{name}'; there are {known}.", kind=kind, name=name, known=", ".join(known))


class Registry(Generic[Item]):
    """The items of one kind.

    `kind`: the word that users read for one of them, in the singular. `package`: holds the built-in ones, one module
    each.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = Sentence(kind)
        self._package = package
        self._items: dict[str, Item] = {}
        self._complete = False

    def register(self, name: str, item: Item) -> Item:
        """Add an item under a name and return it. Raises AIGCError if another item has the name."""
        if self._items.setdefault(name, item) is not item:
            raise AIGCError(
                "There is another {kind} named '{name}' already; choose another name.", kind=self.kind, name=name
            )
        return item

    def __getitem__(self, name: str) -> Item:
        """The item of that name. Raises AIGCError, which lists the names, if there is none."""
        self._import_all()
        if name not in self._items:
            raise _unknown(self.kind, name, self)
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        self._import_all()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        self._import_all()
        return iter(sorted(self._items))

    def _import_all(self) -> None:
        if self._complete:
            return
        self._complete = True  # first, as the modules imported here may use the registry too
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        try:
            load_plugins()
        except AIGCError:
            self._complete = False  # so that the next use raises this error again, not "there is no such item"
            raise


@cache
def load_plugins() -> None:
    """Import all plugins, which register their items. Raises AIGCError if a named module cannot be imported."""
    for name in filter(None, map(str.strip, os.environ.get(PLUGINS_VARIABLE, "").split(","))):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise AIGCError(
                "{variable} names '{name}', which cannot be imported ({error}).",
                variable=PLUGINS_VARIABLE,
                name=name,
                error=error,
            ) from None
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()
