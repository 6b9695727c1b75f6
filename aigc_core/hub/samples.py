"""Samples without a model: on this machine, or in a model's repository or a data set on the Hub."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_core.checkpoint.folder import step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.checkpoint.reference import DATASETS, MAIN, CheckpointReference
from aigc_core.conversion.base import find_format
from aigc_core.conversion.convert import list_files
from aigc_core.data.sample_files import ARCHIVE_SUFFIXES, only_samples
from aigc_core.errors import AIGCError
from aigc_core.evaluation.sample_set import SampleSet, results_folder, sample_file, sample_folder

from .client import checked_names, hub_client, in_readers
from .faults import faults_as_sentences
from .files import fetch_file

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

MAX_FILES = 100_000
MAX_BYTES = 4 * 2**30


def local_samples(reference: CheckpointReference) -> SampleSet | None:
    """The samples at a reference's location on this machine; None if there are none or there is a model."""
    if reference.file:
        return sample_file(reference.file)
    folder = reference.folder
    if folder is None or reference.revision or (folder / CONFIG_FILE).exists() or step_folders(folder):
        return None
    names = list_files(folder)
    return None if find_format(names) else sample_folder(folder, names)


def pull_samples(reference: CheckpointReference, token: str | None = None) -> SampleSet:
    """Fetch samples from the Hub into huggingface_hub's cache, or find them there.

    Raises AIGCError as `pull` does, and if a data set holds anything but images.
    """
    kind, repo_id = _kind(reference)
    revision = checked_names(repo_id, reference.revision or MAIN)
    api = hub_client(token)
    with faults_as_sentences(f"'{reference}'"):
        about = api.model_info if kind == "model" else api.dataset_info
        info = about(repo_id, revision=revision, files_metadata=True)
        commit, listed = str(info.sha), {file.rfilename: file for file in info.siblings or []}
    names = only_samples(listed)
    if not names:
        raise AIGCError(
            "'{name}' is not samples alone: image files, or one zip or npz of them, with nothing beside them but text.",
            name=reference,
        )
    if len(names) > MAX_FILES or sum(listed[name].size or 0 for name in names) > MAX_BYTES:
        raise AIGCError(
            "'{name}' has over {files:,} images or {gigabytes} GB; refused.",
            name=reference,
            files=MAX_FILES,
            gigabytes=MAX_BYTES // 2**30,
        )
    fetch = partial(_fetched, api, repo_id, commit, kind, reference)
    paths = dict(zip(names, in_readers(fetch, [listed[name] for name in names])))
    first, path = next(iter(paths.items()))
    folder = path.parents[first.count("/")]
    return SampleSet(
        path if first.lower().endswith(ARCHIVE_SUFFIXES) else folder, results_folder(kind, repo_id, commit)
    )


def listed_samples(reference: CheckpointReference, token: str | None = None) -> SampleSet:
    """A data set on the Hub with the folder of its results; nothing of it is fetched."""
    kind, repo_id = _kind(reference)
    revision = checked_names(repo_id, reference.revision or MAIN)
    with faults_as_sentences(f"'{reference}'"):
        info = hub_client(token).repo_info(repo_id, revision=revision, repo_type=kind)
    results = results_folder(kind, repo_id, str(info.sha))
    return SampleSet(results, results)


def _kind(reference: CheckpointReference) -> tuple[str, str]:
    """The type of a repository on the Hub, and its name."""
    name = reference.location.removeprefix(DATASETS)
    return "model" if name == reference.location else "dataset", name


def _fetched(
    api: HfApi, repo_id: str, commit: str, kind: str, reference: CheckpointReference, file: RepoSibling
) -> Path:
    with faults_as_sentences(f"'{reference}'"):
        return fetch_file(api, repo_id, commit, file, kind)
