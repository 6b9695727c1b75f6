"""The files of a commit on the Hub that belong to a checkpoint.

Nothing fetched is trusted: only files that `checkpoint.layout` lists are fetched, each is compared with the hash that
the repository lists, and `checkpoint.folder` validates their content.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_core.checkpoint.folder import pickle_refusal
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE, FileKind, file_kind
from aigc_core.checkpoint.reference import DATASETS
from aigc_core.conversion.base import find_format, formats
from aigc_core.data.sample_files import only_samples
from aigc_core.errors import AIGCError

from .client import commit_hash
from .faults import faults_as_sentences

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_FILES = 500


class SamplesAlone(AIGCError):
    """A repository holds images that others drew, and no checkpoint."""


def samples_alone(name: str) -> SamplesAlone:
    """The error for such a repository, or a data set, where a model is expected."""
    return SamplesAlone(
        "'{name}' holds samples and no model that draws them; measure them with: python -m aigc_core evaluate {name} "
        "--reference DATASET",
        name=name,
    )


def checkpoint_files(api: HfApi, repo_id: str, revision: str) -> tuple[str, dict[str, tuple[FileKind, Any]], str]:
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
    is_whole = made_by or {CONFIG_FILE, WEIGHTS_FILE} <= files.keys()
    if not is_whole and (refusal := pickle_refusal(repo_id, sorted(listed))):
        raise refusal
    if not made_by and CONFIG_FILE not in files:
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


def fetch_all(api: HfApi, repo_id: str, commit: str, files: dict[str, tuple[FileKind, Any]]) -> Path:
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
        name = f"{DATASETS}{repo_id}" if repo_type == "dataset" else repo_id
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise AIGCError(
            "'{repo_id}': {file} arrived damaged (its hash is wrong); pull again.", repo_id=name, file=file.rfilename
        )
    return path
