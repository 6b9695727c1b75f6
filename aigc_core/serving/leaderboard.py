"""Evaluated checkpoints side by side: collecting them, and ranks that respect ties.

A *source* names one or many checkpoints:

    OWNER/NAME                  a repository on the Hub: what it holds and all its revisions
    OWNER/NAME@REVISION         one of them
    OWNER                       all repositories of an owner that hold checkpoints
    collection:OWNER/NAME-ID    all in a collection
    tag:NAME                    all that carry a tag
    FOLDER, FOLDER@STEP         a local checkpoint and its earlier steps, a run, a recipe's runs, or one step
    FILE                        a model that others made
    FOLDER, FILE, OWNER/NAME, datasets/OWNER/NAME
                                images alone, or a zip or npz of them: samples that others drew

Models of other tools count as checkpoints once they are converted; those on the Hub, when they are first opened.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy

from aigc_core.access import SHIPPED, check_reference, is_public
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.folder import incomplete_checkpoint, models_in, read_config, seed_folders, step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE, RESULTS_FOLDER, WEIGHTS_FILE
from aigc_core.checkpoint.reference import DATASETS, MAIN, CheckpointReference, seed_name
from aigc_core.conversion.base import formats
from aigc_core.conversion.convert import converted_folder
from aigc_core.errors import AIGCError, Sentence, joined
from aigc_core.evaluation.comparison import better_beyond_doubt, differ_in_judge_alone
from aigc_core.evaluation.results import FIGURES, Protocol, Result, read_results
from aigc_core.evaluation.sample_set import is_results_of_samples
from aigc_core.hub.claims import Claim, find_claims
from aigc_core.hub.faults import HubUnreachable
from aigc_core.hub.listing import list_checkpoints
from aigc_core.hub.resolve import folder_asked_for_too, resolve_reference
from aigc_core.hub.revisions import read_revisions
from aigc_core.hub.samples import listed_samples, local_samples
from aigc_core.metrics.estimate import Estimate

RUNS = Path("runs")
"""Where the README and the app put trainings."""
MAX_REPOSITORIES = 100
"""The most repositories of one owner, collection or tag; the newest are read."""
MAX_VERSIONS = 2000
"""How many checkpoints' configs and results are cached, about 50 kB each."""

MOST_NAMED = 5
"""So many pairs that judges disagree on are named."""
SAMPLES_ALONE = Sentence("samples, not drawn here")

owner_name = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One checkpoint with its results; `problem` says why it cannot be used, and all else is empty then.

    `folder` holds at least its config and results; the weights of one on the Hub may not be there yet, and of a model
    of another tool on the Hub nothing is before it is opened. `is_samples`: whether it is samples without a model.
    `claims`: figures that its card or files state, which were not measured here.
    """

    reference: str
    folder: Path | None = None
    config: CheckpointConfig | None = None
    results: tuple[Result, ...] = ()
    problem: str = ""
    is_samples: bool = False
    claims: tuple[Claim, ...] = ()

    @cached_property
    def parsed(self) -> CheckpointReference:
        """The reference as it was read when this was first asked for."""
        return CheckpointReference.parse(self.reference)

    @cached_property
    def model(self) -> str:
        """The reference without its revision: what all steps of a training share."""
        return str(replace(self.parsed, revision=""))

    @property
    def ships(self) -> bool:
        """Whether it is one of the shipped models."""
        return self.folder is not None and self.folder.resolve().is_relative_to(SHIPPED)

    @property
    def revision(self) -> str:
        """The revision that the reference names; "main" if it names none."""
        return self.parsed.revision or MAIN


def shipped_sources(folder: Path = SHIPPED) -> list[str]:
    """The models in a folder of checkpoints."""
    models = sorted(folder.iterdir()) if folder.is_dir() else []
    return [str(model) for model in models if (model / CONFIG_FILE).is_file()]


def own_sources(folder: Path = RUNS) -> list[str]:
    """The runs in a folder; none if the process is public."""
    return [] if is_public() or not folder.is_dir() else [str(model) for model in models_in(folder)]


def collect(sources: Iterable[str], token: str | None = None) -> list[Entry]:
    """An entry for each checkpoint of the sources; a broken one becomes an entry with its problem.

    `token`: for the Hub, for example a visitor's own.
    """
    entries: dict[str, Entry] = {}
    for source in sources:
        try:
            found = _read_source(source.strip(), token)
        except AIGCError as error:
            broken = Entry(source.strip(), problem=error.sentence)
            found = [broken if isinstance(error, HubUnreachable) else _with_claims(broken, token)]
        for entry in found:
            entries.setdefault(entry.reference, entry)
    return list(entries.values())


def _read_source(source: str, token: str | None) -> list[Entry]:
    reference = CheckpointReference.parse(source)
    if reference.folder or reference.file or reference.location.startswith(DATASETS):
        check_reference(source)
        on_hub = reference.is_on_hub and reference.location.startswith(DATASETS)
        if samples := listed_samples(reference, token) if on_hub else local_samples(reference):
            return [_read_samples(source, samples.results)]
    if reference.folder and not reference.revision:
        check_reference(source)
        return _read_folder(reference.location, reference.folder)
    kind, _, name = source.partition(":")
    if kind == "collection":
        return _read_repositories(source, token, collection=name)
    if kind == "tag":
        return _read_repositories(source, token, tag=name)
    if owner_name.fullmatch(source):
        return _read_repositories(source, token, owner=source)
    check_reference(source)
    if not reference.is_on_hub:
        return [_read_entry(source, resolve_reference(reference))]
    with folder_asked_for_too(reference):
        entries = _read_repository(reference.location, token)
    if not reference.revision:
        return entries
    named = [entry for entry in entries if entry.reference == str(reference)]
    return named or [_read_entry(source, resolve_reference(reference, token=token))]


def _read_folder(location: str, folder: Path) -> list[Entry]:
    if seeds := seed_folders(folder):
        return [entry for seed in seeds for entry in _read_folder(str(Path(location) / seed.name), seed)]
    steps = [_read_local(CheckpointReference(location, step.name), step) for step in step_folders(folder)]
    if not steps and not (folder / CONFIG_FILE).exists() and (models := models_in(folder)):
        return [entry for model in models for entry in _read_folder(f"{location.rstrip('/')}/{model.name}", model)]
    if steps and not (folder / CONFIG_FILE).exists():
        return steps
    return [_with_claims(_read_local(CheckpointReference(location), folder)), *steps]


def _read_local(reference: CheckpointReference, folder: Path) -> Entry:
    try:
        folder = converted_folder(folder) or folder
    except AIGCError as error:
        return Entry(str(reference), problem=error.sentence)
    if (folder / CONFIG_FILE).exists() and not (folder / WEIGHTS_FILE).exists():
        return Entry(str(reference), problem=incomplete_checkpoint(folder).sentence)
    return _read_entry(str(reference), folder)


def _read_repository(repo_id: str, token: str | None) -> list[Entry]:
    """The main branch and all other revisions that differ from it or are broken."""
    entries = {
        revision.name: _read_entry(str(CheckpointReference(repo_id, revision.name)), revision.folder, revision.problem)
        for revision in read_revisions(repo_id, token)
    }
    newest = entries.pop(MAIN, None)
    if newest is None:
        return list(entries.values())
    others = [e for e in entries.values() if e.problem or (e.config, e.results) != (newest.config, newest.results)]
    return [_with_claims(replace(newest, reference=repo_id), token), *others]


def _read_repositories(source: str, token: str | None, **which: str) -> list[Entry]:
    names = [found.repo_id for found in list_checkpoints(**which, token=token)]
    if not names:
        raise AIGCError(
            "There is no folder '{source}' here, and the Hub shows no checkpoints for it; check the name.",
            source=source,
        )

    def read(repo_id: str) -> list[Entry]:
        try:
            return _read_repository(repo_id, token)
        except AIGCError as error:
            return [Entry(repo_id, problem=error.sentence)]

    with ThreadPoolExecutor(8) as pool:
        groups = list(pool.map(read, names[:MAX_REPOSITORIES]))
    if len(names) > MAX_REPOSITORIES:
        problem = Sentence(
            "It has {count:,} repositories, of which the {limit} newest are shown.",
            count=len(names),
            limit=MAX_REPOSITORIES,
        )
        groups.append([Entry(source, problem=problem)])
    return [entry for group in groups for entry in group]


def _with_claims(entry: Entry, token: str | None = None) -> Entry:
    """The entry with its claims. Cards of our own checkpoints on the Hub are not fetched, as they state results that
    are read anyway."""
    reference = CheckpointReference.parse(entry.reference)
    made_by_others = entry.config is None or entry.config.family in formats
    if not made_by_others and reference.is_on_hub:
        return entry
    with suppress(AIGCError):  # then the entry is shown without claims
        check_reference(reference)
        return replace(entry, claims=tuple(find_claims(reference, token)))
    return entry


def _read_samples(reference: str, results: Path) -> Entry:
    try:
        return Entry(reference, results, results=tuple(read_results(results)), is_samples=True)
    except AIGCError as error:
        return Entry(reference, problem=error.sentence)


def _read_entry(reference: str, folder: Path | None, problem: str = "") -> Entry:
    if folder is None:
        return Entry(reference, problem=problem)
    if is_results_of_samples(folder):
        return _read_samples(reference, folder)
    try:
        return Entry(reference, folder, *_read_version(folder, _version(folder)))
    except AIGCError as error:
        return Entry(reference, problem=error.sentence)


@lru_cache(MAX_VERSIONS)
def _read_version(folder: Path, version: tuple[object, ...]) -> tuple[CheckpointConfig, tuple[Result, ...]]:
    """The config and results of a version of a folder's files, read once."""
    return read_config(folder), tuple(read_results(folder))


def _version(folder: Path) -> tuple[object, ...]:
    """A key that changes whenever the config or the results of a checkpoint do."""
    paths = [*folder.glob(CONFIG_FILE), *sorted((folder / RESULTS_FOLDER).glob("*.json"))]
    stats = [path.stat() for path in paths]
    return tuple((path, stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in zip(paths, stats))


def claimed(entries: Iterable[Entry]) -> list[dict[str, object]]:
    """A row for each claim of the entries, broken ones too, for a table of its own without ranks."""
    entries = [entry for entry in entries if entry.claims]
    named = labels(entries)
    return [
        {
            "checkpoint": named[entry.reference],
            "figure": claim.figure,
            "value": claim.value,
            "data": claim.data,
            "file": claim.file,
        }
        for entry in entries
        for claim in entry.claims
    ]


def by_protocol(entries: list[Entry]) -> dict[str, list[tuple[Entry, Result]]]:
    """Entries grouped by protocol id: only what is inside a group may be ranked. Groups with a checkpoint of one's own
    come first, then those with one on the Hub, which somebody asked for, and last those of models that ship alone; of
    each the largest first."""
    groups: dict[str, list[tuple[Entry, Result]]] = {}
    for entry in entries:
        for result in entry.results:
            groups.setdefault(result.protocol.id, []).append((entry, result))

    def standing(entry: Entry) -> int:
        return 2 if entry.ships else int(entry.parsed.is_on_hub)

    return dict(
        sorted(groups.items(), key=lambda group: (min(standing(entry) for entry, _ in group[1]), -len(group[1])))
    )


@dataclass(frozen=True)
class Row:
    """A row of a protocol's table; `rank` is None where the ranked figure was not measured."""

    rank: int | None
    name: str
    entry: Entry
    result: Result

    @property
    def lead(self) -> dict[str, str]:
        """What stands before its figures in a text, by its heading; the rank is empty where there is none."""
        return {"Rank": str(self.rank or ""), "Checkpoint": self.name}

    @property
    def protocol(self) -> Protocol:
        """That of its figures."""
        return self.result.protocol

    def estimate(self, name: str) -> Estimate | None:
        """A figure, if it was measured."""
        return self.result.figures.get(name)


def ranked(group: list[tuple[Entry, Result]], figure: str) -> list[Row]:
    """A protocol's group by rank in a figure, then by value; what lacks the figure comes last.

    A rank is 1 + the number of rows that are better, as `is_better` has it.
    """
    named = labels(entry for entry, _ in group)
    rows = [Row(None, named[entry.reference], entry, result) for entry, result in group]
    measured = [row for row in rows if figure in row.result.figures]
    places = (1 + is_better(measured, figure).sum(0)).tolist()
    sign = 1 if FIGURES[figure].better == "lower" else -1
    placed = [replace(row, rank=rank) for rank, row in zip(places, measured)]
    placed.sort(key=lambda row: (row.rank, sign * row.result.figures[figure].value))
    return [*placed, *(row for row in rows if figure not in row.result.figures)]


def is_better(rows: Sequence[Row], figure: str) -> numpy.ndarray:
    """Whether, of each two rows that have a figure, the first is better in it beyond doubt, with Holm's correction, and
    no other judge says the opposite: bool [n, n]."""
    better = better_beyond_doubt([row.result.figures[figure] for row in rows], figure)
    for opposite in _opposite(rows, figure).values():
        better &= ~opposite
    return better


def seen_by_other_judges(rows: Sequence[Row], figure: str) -> dict[str, list[Estimate | None]]:
    """By extractor, the figure of each row as results have it whose protocols differ in the extractor alone."""
    found: dict[str, list[Estimate | None]] = {}
    for number, row in enumerate(rows):
        for result in row.entry.results:
            ours, theirs = row.result.protocol, result.protocol
            if ours.extractor != theirs.extractor and differ_in_judge_alone(ours, theirs) and figure in result.figures:
                found.setdefault(theirs.extractor, [None] * len(rows))[number] = result.figures[figure]
    return dict(sorted(found.items()))


def disputed(rows: Sequence[Row], figure: str) -> dict[str, list[tuple[str, str]]]:
    """By extractor, pairs of rows' names: beyond doubt, the first is better to the table's own extractor, and the
    second to that one."""
    return {
        extractor: [(rows[above].name, rows[below].name) for above, below in numpy.argwhere(opposite)]
        for extractor, opposite in _opposite(rows, figure).items()
    }


def _opposite(rows: Sequence[Row], figure: str) -> dict[str, numpy.ndarray]:
    """The same as bool [n, n], for each extractor that disputes any pair."""
    found = {}
    for extractor, seen in seen_by_other_judges(rows, figure).items():
        pairs = [(row.estimate(figure), theirs) for row, theirs in zip(rows, seen)]
        both = {number: (own, theirs) for number, (own, theirs) in enumerate(pairs) if own and theirs}
        first = better_beyond_doubt([own for own, _ in both.values()], figure)
        second = better_beyond_doubt([theirs for _, theirs in both.values()], figure)
        opposite = numpy.zeros((len(rows), len(rows)), dtype=bool)
        opposite[numpy.ix_([*both], [*both])] = first & second.T
        if opposite.any():
            found[extractor] = opposite
    return found


def dispute(extractor: str, pairs: Sequence[tuple[str, str]]) -> Sentence:
    """What another judge says the opposite of: of each pair, the table's own calls the first one better."""
    named = [f"{better} / {worse}" for better, worse in pairs[:MOST_NAMED]]
    return Sentence(
        "Which is better depends on the judge, as {extractor} says the opposite: {pairs}",
        extractor=extractor,
        pairs=joined([*named, *(["…"] if len(pairs) > MOST_NAMED else [])]),
    )


def kind_of(entry: Entry) -> str:
    """The family of a checkpoint, or what samples alone are called."""
    return SAMPLES_ALONE if entry.config is None else entry.config.family


def model_names(entries: Iterable[Entry]) -> dict[str, str]:
    """What to call each model: without the path of the folder it lies in, unless two would be called the same."""
    return {model: str(CheckpointReference(location)) for model, location in _short_locations(entries).items()}


def labels(entries: Iterable[Entry]) -> dict[str, str]:
    """What to call each reference: its model as `model_names` has it, and its revision."""
    entries = list(entries)
    short = _short_locations(entries)
    return {entry.reference: str(replace(entry.parsed, location=short[entry.model])) for entry in entries}


def _short_locations(entries: Iterable[Entry]) -> dict[str, str]:
    references = {entry.model: entry.parsed for entry in entries}
    short = {
        model: _last_parts(Path(ref.location)) if Path(ref.location).is_absolute() else ref.location
        for model, ref in references.items()
    }
    called = Counter(short.values())
    return {model: name if called[name] == 1 else references[model].location for model, name in short.items()}


def _last_parts(path: Path) -> str:
    """The name of a model's folder, with that of its recipe where it is one of its training seeds."""
    return f"{path.parent.name}/{path.name}" if seed_name.fullmatch(path.name) else path.name
