"""The branches and tags of a repository on the Hub: their commits, or also their configs and results, for tables.

The same few threads fetch all of them (`client.in_readers`). Reading a repository a second time is one request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from aigc_core.checkpoint.reference import MAIN
from aigc_core.conversion.convert import converted_commit
from aigc_core.errors import AIGCError
from aigc_core.evaluation.sample_set import results_folder

from .cache import SUMMARY, cached_folder, may_answer, note_commit, noted_commits, say_it_answers
from .client import checked_names, commit_hash, hub_client, in_readers, readers, revision_name
from .faults import HubUnreachable, faults_as_sentences
from .files import SamplesAlone, checkpoint_files, fetch_all

MAX_REVISIONS = 1000


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


def list_revisions(repo_id: str, token: str | None = None) -> list[Revision]:
    """The branches and tags of a repository, sorted by name, without those that a reference cannot name.

    Raises AIGCError as `pull` does, and where there are too many.
    """
    checked_names(repo_id, MAIN)
    with faults_as_sentences(f"'{repo_id}'"):
        refs = hub_client(token).list_repo_refs(repo_id)
        revisions = [
            Revision(ref.name, ref.target_commit)
            for ref in refs.branches + refs.tags
            if revision_name.fullmatch(ref.name) and commit_hash.fullmatch(ref.target_commit)
        ]
    if len(revisions) > MAX_REVISIONS:
        raise AIGCError("'{repo_id}' has over {limit:,} revisions; refused.", repo_id=repo_id, limit=MAX_REVISIONS)
    return sorted(revisions, key=lambda revision: revision.name)


def read_revisions(repo_id: str, token: str | None = None) -> list[Revision]:
    """The branches and tags of a repository, sorted by name, each with a folder of its config and results.

    `checkpoint.folder.read_config` and `evaluation.results.read_results` read the folders, which lie in the cache. A
    revision that cannot be read has its problem in place of a folder. If the Hub cannot be reached, the revisions known
    to the cache are returned, unless there is a `token`, whose rights cannot be checked then.
    Raises AIGCError as `pull` does, for the repository as a whole.
    """
    api = hub_client(token)
    try:
        revisions = readers.submit(list_revisions, repo_id, token).result()
    except HubUnreachable:
        if not may_answer(token) or not (noted := noted_commits(repo_id)):
            raise
        revisions = [Revision(*known) for known in noted.items()]
        say_it_answers(repo_id)
    unreachable: list[HubUnreachable] = []

    def fetch(commit: str) -> Path | AIGCError | None:
        try:
            if unreachable:
                raise unreachable[0]
            commit, files, made_by = checkpoint_files(api, repo_id, commit)
            if made_by:
                return None  # listed without details until it is converted
            return fetch_all(api, repo_id, commit, {name: file for name, file in files.items() if file[0].in_summary})
        except SamplesAlone:
            return results_folder("model", repo_id, commit)
        except AIGCError as error:
            if isinstance(error, HubUnreachable):
                unreachable.append(error)
            return error

    cached = {
        revision.commit: converted_commit(repo_id, revision.commit) or cached_folder(repo_id, revision.commit, SUMMARY)
        for revision in revisions
    }
    missing = [commit for commit, folder in cached.items() if folder is None]
    found = cached | dict(zip(missing, in_readers(fetch, missing)))
    return [_as_found(revision, found[revision.commit]) for revision in revisions]


def _as_found(revision: Revision, found: Path | AIGCError | None) -> Revision:
    if isinstance(found, AIGCError):
        return replace(revision, problem=found.sentence)
    if found is not None and found.name == revision.commit:
        note_commit(found, revision.name)
    return replace(revision, folder=found)
