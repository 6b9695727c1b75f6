"""Checkpoints to and from the Hugging Face Hub: push, pull, list.

    pull(repo_id, revision)          a whole checkpoint
    read_revisions(repo_id)          config.json and eval/*.json of every revision, for tables and curves
    list_checkpoints, list_revisions names and commits alone, one request (a collection: one an item)

Nothing pulled is trusted: only files that `checkpoint.layout` lists are fetched, each is compared with the hash that
the repository lists, and `checkpoint.folder` validates their content. Fetched files stay in huggingface_hub's cache
under their commit and are not requested again, so reading all revisions of a repository a second time is one request.

The config of a commit is fetched last, after the weights, and the weights after everything else. So if the config is in
the cache all results are, and if the weights are as well, all files are. (`snapshot_download` fetches in any order, and
records the commit of a branch before its files are there.)

The same few threads fetch all revisions, for every page and visitor of the process.

The token is the one that huggingface_hub keeps, or a visitor's own. If the process is public, the Hub is asked about
every reference, since the cache also holds files that only others may read.
"""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from aigc_core.access import is_public
from aigc_core.checkpoint import layout
from aigc_core.checkpoint.folder import (
    local_checkpoint,
    missing_checkpoint,
    pickle_refusal,
    read_config,
    seed_folders,
    step_folders,
)
from aigc_core.checkpoint.layout import CARD_FILE, CONFIG_FILE, MAX_CONFIG_BYTES, WEIGHTS_FILE, FileKind, file_kind
from aigc_core.checkpoint.reference import MAIN, CheckpointReference, repo_name
from aigc_core.conversion.base import find_format, formats
from aigc_core.conversion.convert import convert_commit, converted_commit
from aigc_core.data.sample_files import only_samples
from aigc_core.errors import AIGCError
from aigc_core.evaluation.sample_set import results_folder
from aigc_core.version import __version__

from . import TAG
from .faults import HubUnreachable, faults_as_sentences

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

BENCHMARK_FILE = ".eval_results/aigc-studio.yaml"
MAX_FILES = 500
MAX_LISTED = 1000
PARALLEL_REQUESTS = 16
"""The number of threads with which this process reads revisions."""
REQUESTS_PER_REPOSITORY = 8
"""How many of them one repository may use at a time, so that none holds up all others."""
TIMEOUT = 60
"""Seconds of silence after which the Hub counts as unreachable."""

WHOLE = (CONFIG_FILE, WEIGHTS_FILE)
SUMMARY = (CONFIG_FILE,)
"""Files whose presence in the cache shows that a whole checkpoint is there, and that config and results are."""

revision_name = re.compile(r"(?!.*(\.\.|//))[A-Za-z0-9][\w./-]{0,99}", re.ASCII)
commit_hash = re.compile(r"[0-9a-f]{40}")

logger = logging.getLogger(__name__)
readers = ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="hub")
"""A task in these threads must not wait for another one, or all might wait for each other."""
bounding = threading.Lock()
Item = TypeVar("Item")
Found = TypeVar("Found")


class SamplesAlone(AIGCError):
    """A repository holds images that others drew, and no checkpoint."""


def samples_alone(name: str) -> SamplesAlone:
    """The error for such a repository, or a data set, where a model is expected."""
    return SamplesAlone(
        "'{name}' holds samples and no model that draws them; measure them with: python -m aigc_core evaluate {name} "
        "--reference DATASET",
        name=name,
    )


@dataclass(frozen=True)
class HubEntry:
    """A repository on the Hub that holds a checkpoint: `commit` of its main branch, `updated` in ISO 8601."""

    repo_id: str
    commit: str
    updated: str
    private: bool


@dataclass(frozen=True)
class Revision:
    """A branch or tag of a repository and its commit.

    `folder`: with its config and results, from `read_revisions`; None if that failed, with the reason in `problem`, or
    if it is a model of another tool that was not converted yet.
    """

    name: str
    commit: str
    folder: Path | None = None
    problem: str = ""


def pull(
    repo_id: str, revision: str | None = None, token: str | None = None, stated: Mapping[str, str] | None = None
) -> Path:
    """Fetch a checkpoint into huggingface_hub's cache, or find it there; returns its folder.

    A model of another tool is converted, and the folder is that of the converted checkpoint; `stated`: facts about such
    a model that its files leave open. `revision`: a branch, a tag or a commit; a commit that is in the cache needs no
    request. If the Hub cannot be reached, the cached files of the revision are used, but not with a `token`, whose
    rights cannot be checked then.
    Raises AIGCError if it does not exist, may not be read, is too large, arrives damaged, or cannot be reached.
    """
    revision = checked_names(repo_id, revision or "main")
    cache_suffices = token is None and not is_public()
    is_commit = commit_hash.fullmatch(revision) is not None
    if cache_suffices and is_commit and (folder := _kept(repo_id, revision, stated)):
        return folder
    api = hub_client(token)
    try:
        commit, files, made_by = _checkpoint_files(api, repo_id, revision)
    except HubUnreachable:
        if cache_suffices and (folder := _kept(repo_id, revision, stated)):
            logger.warning("'%s' comes from the cache, since the Hub cannot be reached.", repo_id)
            return folder
        raise
    if made_by:
        if folder := converted_commit(repo_id, commit, stated):
            return folder
        pulled = _fetch_all(api, repo_id, commit, files)
        _note_commit(pulled, revision)
        return convert_commit(pulled, made_by, [*files], repo_id, commit, stated)
    folder = _cached(repo_id, commit, WHOLE) or _fetch_all(api, repo_id, commit, files)
    _note_commit(folder, revision)
    return folder


def read_revisions(repo_id: str, token: str | None = None) -> list[Revision]:
    """The branches and tags of a repository, sorted by name, each with a folder of its config and results.

    `checkpoint.read_config` and `evaluation.read_results` read the folders, which lie in the cache. A revision that
    cannot be read has its problem in place of a folder. If the Hub cannot be reached, the revisions known to the cache
    are returned, unless there is a `token`, whose rights cannot be checked then.
    Raises AIGCError as `pull` does, for the repository as a whole.
    """
    api = hub_client(token)
    try:
        revisions = readers.submit(list_revisions, repo_id, token).result()
    except HubUnreachable:
        if token is not None or is_public() or not (revisions := _noted_revisions(repo_id)):
            raise
        logger.warning("'%s' comes from the cache, since the Hub cannot be reached.", repo_id)
    unreachable: list[HubUnreachable] = []

    def fetch(commit: str) -> Path | AIGCError | None:
        try:
            if unreachable:
                raise unreachable[0]
            commit, files, made_by = _checkpoint_files(api, repo_id, commit)
            if made_by:
                return None  # listed without details until it is converted
            return _fetch_all(api, repo_id, commit, {name: file for name, file in files.items() if file[0].in_summary})
        except SamplesAlone:
            return results_folder("model", repo_id, commit)
        except AIGCError as error:
            if isinstance(error, HubUnreachable):
                unreachable.append(error)
            return error

    cached = {
        revision.commit: converted_commit(repo_id, revision.commit) or _cached(repo_id, revision.commit, SUMMARY)
        for revision in revisions
    }
    missing = [commit for commit, folder in cached.items() if folder is None]
    found = cached | dict(zip(missing, in_readers(fetch, missing)))
    return [_as_found(revision, found[revision.commit]) for revision in revisions]


def _as_found(revision: Revision, found: Path | AIGCError | None) -> Revision:
    if isinstance(found, AIGCError):
        return replace(revision, problem=found.sentence)
    if found is not None and found.name == revision.commit:
        _note_commit(found, revision.name)
    return replace(revision, folder=found)


def in_readers(function: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """The results of a function for each item, in order, computed in `readers`.

    The first item runs alone, so that a repository that does not answer occupies one thread, not its whole share.
    """
    running: deque[Future[Found]] = deque()
    limit = 1
    for item in items:
        if len(running) >= limit:
            yield running.popleft().result()
            limit = REQUESTS_PER_REPOSITORY
        running.append(readers.submit(function, item))
    while running:
        yield running.popleft().result()


def push(
    folder: str | Path,
    repo_id: str,
    revision: str | None = None,
    private: bool = False,
    token: str | None = None,
    benchmark: str | None = None,
) -> str:
    """Upload a checkpoint in one commit; returns the commit's address.

    The repository and the branch `revision` are created if they do not exist. By default the branch is main, and step
    folders inside `folder` are pushed first, into branches of their names; those of a recipe's runs into branches such
    as `seed-1/step-0001000`, and main becomes the first run's newest. `private`: of a new repository; an existing
    public one is refused. `benchmark`: a data set on the Hub that is a benchmark, for whose tasks figures are written
    into `.eval_results`.
    Raises AIGCError as `pull` does; commits made until then stay, and pushing again continues.
    """
    folder, reference = Path(folder), CheckpointReference.parse(str(folder))
    newest = local_checkpoint(reference)
    if newest is None:
        raise missing_checkpoint(reference)
    read_config(newest)
    if commit_hash.fullmatch(checked_names(repo_id, revision or "main")):
        raise AIGCError(
            "A checkpoint is pushed to a branch such as step-0001000, not to a commit ('{revision}').",
            revision=revision,
        )
    api = hub_client(token)
    claims = _benchmark_claims(api, newest, benchmark) if benchmark else None
    with faults_as_sentences(f"'{repo_id}'"):
        # None leaves the choice to the settings of an organisation.
        api.create_repo(repo_id, private=private or None, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise AIGCError(
                "'{repo_id}' exists and is public, so nothing was uploaded; choose another name.", repo_id=repo_id
            )
        if revision is None and folder.is_dir():
            for step in step_folders(folder):
                _push_folder(api, step, repo_id, step.name)
            for run in seed_folders(folder):
                for step in step_folders(run):
                    _push_folder(api, step, repo_id, f"{run.name}/{step.name}")
        return _push_folder(api, newest, repo_id, revision or "main", claims)


def list_checkpoints(
    owner: str | None = None, tag: str = TAG, collection: str | None = None, token: str | None = None
) -> list[HubEntry]:
    """Checkpoints on the Hub that carry a tag, newest first; only those of an owner or a collection, if given.

    `collection`: the part of its address after /collections/. Raises AIGCError as `pull` does.
    """
    api = hub_client(token)
    with faults_as_sentences(f"'{collection or owner}'" if collection or owner else "The Hub"):
        if collection is None:
            found = api.list_models(author=owner, filter=tag, sort="last_modified", full=True)
            models = list(islice(found, MAX_LISTED))
        elif repo_name.fullmatch(collection):
            items = [item.item_id for item in api.get_collection(collection).items if item.item_type == "model"]
            models = [
                model
                for model in in_readers(partial(_model_info, api), items[:MAX_LISTED])
                if model and tag in (model.tags or []) and (owner is None or model.id.startswith(f"{owner}/"))
            ]
        else:
            raise AIGCError("'{collection}' does not name a collection; write OWNER/NAME-ID.", collection=collection)
        entries = [
            HubEntry(
                model.id,
                model.sha or "",
                model.last_modified.isoformat() if model.last_modified else "",
                bool(model.private),
            )
            for model in models
            if repo_name.fullmatch(model.id)
        ]
    return sorted(entries, key=lambda entry: entry.updated, reverse=True)


def _model_info(api: HfApi, repo_id: str) -> ModelInfo | None:
    """The Hub's entry of an item of a collection; None if it is gone or this visitor may not see it."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(repo_id)
    except RepositoryNotFoundError:
        return None


def list_revisions(repo_id: str, token: str | None = None) -> list[Revision]:
    """The branches and tags of a repository, sorted by name, without those that a reference cannot name.

    Raises AIGCError as `pull` does, and where there are too many.
    """
    checked_names(repo_id, "main")
    with faults_as_sentences(f"'{repo_id}'"):
        refs = hub_client(token).list_repo_refs(repo_id)
        revisions = [
            Revision(ref.name, ref.target_commit)
            for ref in refs.branches + refs.tags
            if revision_name.fullmatch(ref.name) and commit_hash.fullmatch(ref.target_commit)
        ]
    if len(revisions) > MAX_LISTED:
        raise AIGCError("'{repo_id}' has over {limit:,} revisions; refused.", repo_id=repo_id, limit=MAX_LISTED)
    return sorted(revisions, key=lambda revision: revision.name)


def checked_names(repo_id: str, revision: str) -> str:
    """The revision, if both names are valid: they become parts of addresses and of paths in the cache.

    Raises AIGCError if one is not.
    """
    if not repo_name.fullmatch(repo_id):
        raise AIGCError("'{name}' is not a name on the Hub; write OWNER/NAME.", name=repo_id)
    if not revision_name.fullmatch(revision):
        raise AIGCError("'{revision}' is not the name of a revision.", revision=revision)
    return revision


def hub_client(token: str | None) -> HfApi:
    """The client of the Hub, with a limit on every wait."""
    from huggingface_hub import HfApi

    with bounding:
        _bound_all_waits()
    return HfApi(token=token, library_name="aigc-studio", library_version=__version__)


@cache
def _bound_all_waits() -> None:
    """Let huggingface_hub make HTTP clients that limit every wait.

    Its own settings (HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT) limit downloads only; many other calls pass no
    timeout explicitly, which overrides a client's default. It makes a new client after a failed connection and in a
    forked process. The request hooks of its current client, which enforce HF_HUB_OFFLINE, are kept. That client is
    closed, so this is done once, before any thread uses it.
    """
    import httpx2
    from huggingface_hub import get_session, set_client_factory

    hooks = [*get_session().event_hooks["request"], _bound_wait]
    set_client_factory(lambda: httpx2.Client(event_hooks={"request": hooks}, follow_redirects=True, timeout=None))


def _bound_wait(request: Any) -> None:
    waits = request.extensions.get("timeout", {})
    bounds = {
        phase: TIMEOUT if waits.get(phase) is None else waits[phase] for phase in ("connect", "read", "write", "pool")
    }
    request.extensions = {**request.extensions, "timeout": bounds}


def _cached(repo_id: str, revision: str, names: tuple[str, ...]) -> Path | None:
    """The folder of a revision in the cache, if it holds all these files; else None."""
    from huggingface_hub import try_to_load_from_cache

    cached = (try_to_load_from_cache(repo_id, name, revision=revision) for name in names)
    paths = [path for path in cached if isinstance(path, str)]
    return Path(paths[0]).parent if len(paths) == len(names) else None


def _kept(repo_id: str, revision: str, stated: Mapping[str, str] | None) -> Path | None:
    """The folder of a whole revision in the cache, ours or converted; None if it, or its commit, is not known there."""
    if folder := _cached(repo_id, revision, WHOLE):
        return folder
    if folder := converted_commit(repo_id, revision, stated):
        return folder
    noted = {known.name: known.commit for known in _noted_revisions(repo_id)}
    return converted_commit(repo_id, noted[revision], stated) if revision in noted else None


def _checkpoint_files(api: HfApi, repo_id: str, revision: str) -> tuple[str, dict[str, tuple[FileKind, Any]], str]:
    """The commit of a revision; its files that belong to a checkpoint, by path, each with its kind and the Hub's entry;
    and the name of their format, empty for our own."""
    with faults_as_sentences(f"'{repo_id}'"):
        info = api.model_info(repo_id, revision=revision, files_metadata=True)
        commit = info.sha if isinstance(info.sha, str) else ""
        listed = {file.rfilename: file for file in info.siblings or []}
        made_by, wanted = find_format(listed) or ("", [])
        if made_by:
            kinds = {name: FileKind(name, formats[made_by].max_bytes) for name in wanted}
        else:
            kinds = {name: kind for name in listed if (kind := file_kind(name))}
        files = {name: (kind, listed[name]) for name, kind in kinds.items()}
    if not commit_hash.fullmatch(commit):
        raise AIGCError("'{repo_id}': the Hub named no commit; try again later.", repo_id=repo_id)
    if not made_by and CONFIG_FILE not in files:
        if refusal := pickle_refusal(repo_id, sorted(listed)):
            raise refusal
        if only_samples(listed):
            raise samples_alone(repo_id)
        raise AIGCError(
            "'{name}' is not a checkpoint of AIGC Studio: it has no {file}.", name=repo_id, file=CONFIG_FILE
        )
    if len(files) > MAX_FILES:
        raise AIGCError("'{repo_id}' has over {limit} files; refused.", repo_id=repo_id, limit=MAX_FILES)
    for name, (kind, file) in files.items():
        if not isinstance(file.size, int) or file.size > kind.max_bytes:
            raise AIGCError(
                "'{repo_id}': {name} is larger than {megabytes:,.0f} MB; refused.",
                repo_id=repo_id,
                name=name,
                megabytes=kind.max_bytes / 2**20,
            )
    return commit, files, made_by


def _fetch_all(api: HfApi, repo_id: str, commit: str, files: dict[str, tuple[FileKind, Any]]) -> Path:
    """Fetch files of a commit into the cache, in the order in which the last ones show that the rest is there."""
    last = [name for name in (WEIGHTS_FILE, CONFIG_FILE) if name in files]
    with faults_as_sentences(f"'{repo_id}'"):
        for name in [*sorted(files.keys() - set(last)), *last]:
            path = fetch_file(api, repo_id, commit, files[name][1])
    return path.parents[name.count("/")]


def fetch_file(api: HfApi, repo_id: str, commit: str, file: Any, repo_type: str = "model") -> Path:
    """Fetch a file into the cache; returns its path. Raises AIGCError if its hash is not that which the Hub lists."""
    path = Path(api.hf_hub_download(repo_id, file.rfilename, revision=commit, repo_type=repo_type))
    size = path.stat().st_size
    if file.lfs:
        expected, hasher = file.lfs.sha256, hashlib.sha256()
    else:
        expected, hasher = file.blob_id, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            hasher.update(chunk)
    if hasher.hexdigest() != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise AIGCError(
            "'{repo_id}': {file} arrived damaged (its hash is wrong); pull again.", repo_id=repo_id, file=file.rfilename
        )
    return path


def _note_commit(folder: Path, revision: str) -> None:
    """Record in the cache the commit of a revision once all its files are there, so that its name works offline.

    The place is documented (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). The library's functions
    that write it (`resolve_revision`, `snapshot_download`) do so before the files are there, with one more request for
    each name.
    """
    note = folder.parent.parent / "refs" / revision
    if revision == folder.name or (note.is_file() and note.read_text() == folder.name):
        return
    with suppress(OSError), tempfile.TemporaryDirectory(dir=folder.parent.parent) as scratch:  # may be read-only
        note.parent.mkdir(parents=True, exist_ok=True)
        Path(scratch, "commit").write_text(folder.name)
        Path(scratch, "commit").replace(note)


def _noted_revisions(repo_id: str) -> list[Revision]:
    """The revisions whose commit the cache has recorded, sorted by name."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    commits = [
        commit
        for repository in repositories
        if (repository.repo_type, repository.repo_id) == ("model", repo_id)
        for commit in repository.revisions
    ]
    revisions = [Revision(name, commit.commit_hash) for commit in commits for name in commit.refs]
    return sorted(revisions, key=lambda revision: revision.name)


def _push_folder(api: HfApi, folder: Path, repo_id: str, revision: str, claims: str | None = None) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    from .card import renewed_card

    paths = {
        path.relative_to(folder).as_posix(): path
        for path in sorted({path for kind in layout.FILE_KINDS for path in folder.glob(kind.path)})
        if path.is_file() and file_kind(path.relative_to(folder).as_posix())
    }
    config = read_config(folder).published()
    contents: dict[str, Path | bytes] = paths | {CONFIG_FILE: config.as_json().encode()}
    card = renewed_card(folder, str(CheckpointReference(repo_id, "" if revision == MAIN else revision)))
    if card is not None:
        contents[CARD_FILE] = card.encode()
    if claims is not None:
        contents[BENCHMARK_FILE] = claims.encode()
    if revision != "main":
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    stale = [
        name
        for name in api.list_repo_files(repo_id, revision=revision)
        if name not in contents and (file_kind(name) or name == BENCHMARK_FILE)
    ]
    commit = api.create_commit(
        repo_id,
        [
            *(CommitOperationAdd(name, content) for name, content in contents.items()),
            *(CommitOperationDelete(name) for name in stale),
        ],
        revision=revision,
        commit_message=f"Upload the checkpoint after {config.step:,} steps",
    )
    return commit.commit_url


def _benchmark_claims(api: HfApi, folder: Path, benchmark: str) -> str:
    """The text of an `.eval_results` file (https://huggingface.co/docs/hub/eval-results), with a value for each task.

    A task's figure is the one that its id ends in (`fid`, `mnist_fid`, `aigc/fid`), on the task's split; among several
    protocols the one with the most samples counts.
    """
    from aigc_core.evaluation.results import FIGURES, read_results

    from .card import HUB_DATASETS

    checked_names(benchmark, "main")
    tasks = _benchmark_tasks(api, benchmark)
    results = sorted(read_results(folder), key=lambda result: -result.protocol.num_samples)
    if benchmark in HUB_DATASETS.values():  # only then is it known which results are of this data set
        results = [result for result in results if HUB_DATASETS.get(result.protocol.dataset) == benchmark]
    entries = []
    for task in tasks:
        figure = next((name for name in FIGURES if re.search(rf"(^|[^a-z]){name}$", task["id"].lower())), None)
        split = task.get("split", "test")
        result = next((r for r in results if r.protocol.split == split and figure in r.figures), None)
        if figure is None or result is None:
            continue
        value, protocol = result.figures[figure], result.protocol
        notes = (
            f"95 % interval {value.low:.6g} to {value.high:.6g}; {protocol.num_samples} samples against "
            f"{protocol.dataset}:{protocol.split}, features of {protocol.extractor}, protocol {protocol.id}"
        )
        entries.append({"dataset": {"id": benchmark, "task_id": task["id"]}, "value": value.value, "notes": notes})
    if not entries:
        raise AIGCError(
            "None of the tasks of '{benchmark}' ({tasks}) ends in the name of a figure that this checkpoint has on "
            "its data; evaluate it first, or push without --benchmark.",
            benchmark=benchmark,
            tasks=", ".join(task["id"] for task in tasks),
        )
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _benchmark_tasks(api: HfApi, benchmark: str) -> list[dict[str, str]]:
    """The tasks of a data set's eval.yaml, each with its id."""
    no_tasks = AIGCError("'{benchmark}' is not a benchmark: it has no eval.yaml that lists tasks.", benchmark=benchmark)
    with faults_as_sentences(f"'{benchmark}'"):
        found = api.get_paths_info(benchmark, ["eval.yaml"], repo_type="dataset")
        if not found or getattr(found[0], "size", MAX_CONFIG_BYTES) >= MAX_CONFIG_BYTES:
            raise no_tasks
        path = Path(api.hf_hub_download(benchmark, "eval.yaml", repo_type="dataset"))
    try:
        tasks = yaml.safe_load(path.read_text(encoding="utf-8"))["tasks"]
        tasks = [{"id": task["id"], "split": task.get("split", "test")} for task in tasks]
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
        raise no_tasks from None
    if not all(isinstance(word, str) for task in tasks for word in task.values()):
        raise no_tasks
    return tasks
