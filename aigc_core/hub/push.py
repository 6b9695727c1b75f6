"""Push a checkpoint to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aigc_core.checkpoint import layout
from aigc_core.checkpoint.folder import local_checkpoint, missing_checkpoint, read_config, seed_folders, step_folders
from aigc_core.checkpoint.layout import CARD_FILE, CONFIG_FILE, file_kind
from aigc_core.checkpoint.reference import MAIN, CheckpointReference
from aigc_core.errors import AIGCError

from .benchmark import BENCHMARK_FILE, benchmark_claims
from .card import renewed_card
from .client import checked_names, commit_hash, hub_client
from .faults import faults_as_sentences

if TYPE_CHECKING:
    from huggingface_hub import HfApi


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
    if commit_hash.fullmatch(checked_names(repo_id, revision or MAIN)):
        raise AIGCError(
            "A checkpoint is pushed to a branch such as step-0001000, not to a commit ('{revision}').",
            revision=revision,
        )
    api = hub_client(token)
    claims = benchmark_claims(api, newest, benchmark) if benchmark else None
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
        return _push_folder(api, newest, repo_id, revision or MAIN, claims)


def _push_folder(api: HfApi, folder: Path, repo_id: str, revision: str, claims: str | None = None) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

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
    if revision != MAIN:
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
