"""Evaluated checkpoints side by side: collecting them, and ranks that respect ties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import CONFIG_FILE, CheckpointConfig, read_config, resolve_reference, step_folders
from .comparison import compare
from .errors import AIGCError
from .results import FIGURES, Result, read_results
from .visitors import SHIPPED, check_reference


@dataclass(frozen=True)
class Entry:
    """One checkpoint with its results; `problem` says in words why it cannot be used, and the rest is empty then."""

    reference: str
    folder: Path | None = None
    config: CheckpointConfig | None = None
    results: tuple[Result, ...] = ()
    problem: str = ""


def shipped_references(folder: Path = SHIPPED) -> list[str]:
    """References of the checkpoints in a folder of checkpoints, the final one of each before its earlier steps."""
    references = []
    for model in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (model / CONFIG_FILE).is_file():
            references += [str(model), *(f"{model}@{step.name}" for step in step_folders(model))]
    return references


def collect(references: Iterable[str], token: str | None = None) -> list[Entry]:
    """An entry for each reference; a broken one becomes an entry with its problem and hides no other.

    `token` is what the Hub is asked with, for example a visitor's own.
    """
    entries = []
    for reference in references:
        try:
            check_reference(reference)
            folder = resolve_reference(reference, token=token)
            entries.append(Entry(reference, folder, read_config(folder), tuple(read_results(folder))))
        except AIGCError as error:
            entries.append(Entry(reference, problem=str(error)))
    return entries


def ranks(results: list[Result], figure: str) -> list[int]:
    """The rank of each result in a figure: 1 + the number of results that are better beyond doubt.

    Results that cannot be told apart from the same ones share a rank. All must follow one protocol (AIGCError).
    """
    return [1 + sum(compare(other, result, figure).outcome == "better" for other in results) for result in results]


def by_protocol(entries: list[Entry]) -> dict[str, list[tuple[Entry, Result]]]:
    """Entries grouped by protocol id: only what is inside a group may be ranked."""
    groups: dict[str, list[tuple[Entry, Result]]] = {}
    for entry in entries:
        for result in entry.results:
            groups.setdefault(result.protocol.id, []).append((entry, result))
    return groups


def rows(group: list[tuple[Entry, Result]]) -> list[dict[str, object]]:
    """A table of one protocol's group: rank by FID, name, figures as numbers and with their intervals."""
    ranked = ranks([result for _, result in group], "fid")
    table = []
    for (entry, result), rank in zip(group, ranked):
        row: dict[str, object] = {
            "rank": rank,
            "checkpoint": short_name(entry.reference),
            "images seen": result.images_seen,
        }
        for name in FIGURES:
            if name in result.figures:
                figure = result.figures[name]
                row[FIGURES[name].title] = figure.value
                row[f"{FIGURES[name].title} ±"] = figure.reach
        table.append(row)
    return sorted(table, key=lambda row: (row["rank"], row["FID"]))  # type: ignore[arg-type]


def short_name(reference: str) -> str:
    """A reference without the path of the folder it lies in, unless it is a Hub id."""
    return Path(reference).name if Path(reference).is_absolute() else reference
