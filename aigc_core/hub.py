"""Checkpoints to and from the Hugging Face Hub: push, pull, list.

Nothing pulled is trusted: only known file names of bounded size are fetched, and what they hold is validated by
`aigc_core.checkpoint`. The token comes from where huggingface_hub keeps it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import (
    CARD_FILE,
    CONFIG_FILE,
    DIRECTIONS_FILE,
    RESULTS_FOLDER,
    SAMPLES_FILE,
    WEIGHTS_FILE,
    read_config,
    resolve_reference,
    step_folders,
)
from .errors import AIGCError

FILES = [CONFIG_FILE, WEIGHTS_FILE, SAMPLES_FILE, DIRECTIONS_FILE, CARD_FILE, f"{RESULTS_FOLDER}/*.json"]
MAX_BYTES = 4 * 2**30
TAG = "aigc-studio"


@dataclass(frozen=True)
class HubEntry:
    """A repository on the Hub that holds a checkpoint."""

    repo_id: str
    commit: str
    updated: str


def pull(repo_id: str, revision: str | None = None, token: str | None = None) -> Path:
    """Download a checkpoint into the Hub's cache, or find it there; returns its folder.

    Raises AIGCError when it does not exist, may not be read, is too large, or cannot be reached.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_OFFLINE

    with _faults_as_sentences(repo_id):
        if not HF_HUB_OFFLINE:
            info = HfApi(token=token).model_info(repo_id, revision=revision, files_metadata=True)
            siblings = [file for file in info.siblings or [] if _is_ours(file.rfilename)]
            if CONFIG_FILE not in {file.rfilename for file in siblings}:
                raise AIGCError(f"'{repo_id}' is not a checkpoint of AIGC Studio: it has no {CONFIG_FILE}.")
            if sum(file.size or 0 for file in siblings) > MAX_BYTES:
                raise AIGCError(f"'{repo_id}' is larger than {MAX_BYTES // 2**30} GB; refused.")
            revision = info.sha
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=FILES, token=token))


def push(
    folder: str | Path, repo_id: str, revision: str | None = None, private: bool = False, token: str | None = None
) -> str:
    """Upload a checkpoint's folder in one commit; returns the commit's address.

    The repository is made if need be; `revision` names a branch, made if need be. A folder of steps puts each
    step into a branch of its name and the newest into main. Raises AIGCError as `pull` does.
    """
    from huggingface_hub import HfApi

    folder, newest = Path(folder), resolve_reference(folder)
    read_config(newest)
    api = HfApi(token=token)
    with _faults_as_sentences(repo_id):
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is None:
            for step in step_folders(folder):
                _push_folder(api, step, repo_id, step.name)
        return _push_folder(api, newest, repo_id, revision)


def _push_folder(api, folder: Path, repo_id: str, revision: str | None) -> str:
    if revision is not None:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        revision=revision,
        allow_patterns=FILES,
        commit_message=f"Upload checkpoint after {read_config(folder).step:,} steps",
    )
    return commit.commit_url


def list_checkpoints(owner: str | None = None, tag: str = TAG, limit: int = 200) -> list[HubEntry]:
    """Checkpoints on the Hub by owner and tag, newest first. Raises AIGCError as `pull` does."""
    from huggingface_hub import HfApi

    with _faults_as_sentences(owner or "the Hub"):
        models = list(HfApi().list_models(author=owner, filter=tag, sort="last_modified", limit=limit, full=True))
    return [HubEntry(model.id, model.sha or "", str(model.last_modified or "")) for model in models]


def list_revisions(repo_id: str, token: str | None = None) -> list[str]:
    """The names of a repository's branches. Raises AIGCError as `pull` does."""
    from huggingface_hub import HfApi

    with _faults_as_sentences(repo_id):
        return sorted(branch.name for branch in HfApi(token=token).list_repo_refs(repo_id).branches)


def _is_ours(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in FILES) and name.count("/") <= 1


@contextmanager
def _faults_as_sentences(what: str) -> Iterator[None]:
    """Turn the client's errors into sentences; none of them carries a token."""
    import httpx
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError:
        raise AIGCError(f"'{what}' asks you to accept its conditions on its page on the Hub first.") from None
    except RevisionNotFoundError:
        raise AIGCError(f"'{what}' has no such revision on the Hub.") from None
    except RepositoryNotFoundError:
        raise AIGCError(
            f"'{what}' is not on the Hub, or is private; check the name, and run `hf auth login` first."
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled):
        raise AIGCError(f"'{what}' is not in the cache, and the Hub cannot be reached.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        meaning = {
            401: "the token is missing or wrong; log in with `hf auth login`",
            403: "the token may not do this; it needs write access",
            429: "too many requests; wait a little and try again",
        }.get(status or 0, f"the Hub answered with status {status}; try again later")
        raise AIGCError(f"'{what}': {meaning}.") from None
    except (httpx.HTTPError, OSError) as error:
        raise AIGCError(f"'{what}': the connection to the Hub failed ({type(error).__name__}); try again.") from None
