"""Repositories on disk: contents under their hashes, and beside them each repository as JSON.

A repository is its commits with their file lists, its branches and its tags; a Space has settings and a runtime too.
"""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from fastapi import HTTPException
from pydantic import BaseModel, Field

LFS_BYTES = 10 * 2**20
LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pkl", ".npz")


def problem(status: int, code: str, message: str) -> HTTPException:
    return HTTPException(status, message, {"X-Error-Code": code, "X-Error-Message": message})


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def git_hash(content: bytes) -> str:
    """The id that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Commit(BaseModel):
    """A state of all files: path → what the Hub lists about it (oid, size, lfs)."""

    parent: str | None
    message: str
    date: str
    files: dict[str, dict[str, Any]] = {}


class Space(BaseModel):
    """Settings and runtime of a Space; `stages` are those its build has still to go through. Secrets stay in memory."""

    sdk: str
    hardware: str = "cpu-basic"
    sleep: int | None = None
    variables: dict[str, str] = {}
    secrets: dict[str, str] = Field(default={}, exclude=True)
    stage: str = "RUNNING"
    stages: list[str] = []

    def build(self, stages: list[str]) -> None:
        self.stage, *self.stages = stages

    def runtime(self) -> dict[str, Any]:
        hardware = {"current": self.hardware, "requested": self.hardware}
        return {"stage": self.stage, "hardware": hardware, "storage": None, "gcTimeout": self.sleep}


class Repository(BaseModel):
    """`kind` is models, datasets or spaces."""

    kind: str
    id: str
    private: bool = False
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    commits: dict[str, Commit] = {}
    space: Space | None = None

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def path(self) -> str:
        """What follows the endpoint in its address."""
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"

    def commit(self, message: str, changes: dict[str, dict[str, Any] | None], branch: str = "main") -> str:
        """Add a commit on a branch, which starts at main; None removes a path. Returns its hash."""
        parent = self.branches.get(branch) or self.branches.get("main")
        files = dict(self.commits[parent].files) if parent else {}
        files |= {path: entry for path, entry in changes.items() if entry is not None}
        for path in [path for path, entry in changes.items() if entry is None]:
            files.pop(path)
        commit = Commit(parent=parent, message=message, date=now(), files=files)
        oid = hashlib.sha1((commit.model_dump_json() + self.id + branch).encode()).hexdigest()
        self.commits[oid] = commit
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str:
        """The commit of a branch, a tag or a commit."""
        found = self.branches.get(revision) or self.tags.get(revision)
        if not found and revision not in self.commits:
            raise problem(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found or revision

    def at(self, revision: str) -> Commit:
        return self.commits[self.resolve(revision)]


class Store:
    """The repositories in a folder, which a later Store of the same folder finds again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.RLock()
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        saved = [Repository.model_validate_json(path.read_text()) for path in sorted(folder.glob("*.json"))]
        self.repositories = {(repository.kind, repository.id): repository for repository in saved}

    def create(self, kind: str, repo_id: str, private: bool = False, space: Space | None = None) -> Repository:
        repository = Repository(kind=kind, id=repo_id, private=private, space=space)
        repository.commit("initial commit", {".gitattributes": self.put(".gitattributes", b"")})
        self.repositories[(kind, repo_id)] = repository
        self.save(repository)
        return repository

    def add(
        self,
        repo_id: str,
        files: dict[str, bytes],
        kind: str = "models",
        private: bool = False,
        branch: str = "main",
        space: Space | None = None,
    ) -> Repository:
        """Put files, of any name, into a repository directly, as one commit; the repository is made if need be."""
        with self.lock:
            repository = self.repositories.get((kind, repo_id)) or self.create(kind, repo_id, private, space)
            repository.commit("Add files", {path: self.put(path, content) for path, content in files.items()}, branch)
            self.save(repository)
        return repository

    def save(self, repository: Repository) -> None:
        path = self.folder / f"{repository.kind}--{repository.id.replace('/', '--')}.json"
        path.write_text(repository.model_dump_json())

    def files(self, repo_id: str, revision: str = "main", kind: str = "models") -> dict[str, bytes]:
        """Path → content of a repository, as stored."""
        entries = self.repositories[(kind, repo_id)].at(revision).files
        return {path: self.blob(entry).read_bytes() for path, entry in entries.items()}

    def space(self, repo_id: str) -> Space:
        """The settings and the runtime of a Space."""
        space = self.repositories[("spaces", repo_id)].space
        assert space is not None
        return space

    def card(self, commit: Commit) -> dict[str, Any]:
        """The metadata of a commit's card."""
        entry = commit.files.get("README.md")
        return front_matter(self.blob(entry).read_text(encoding="utf-8")) if entry else {}

    def put(self, path: str, content: bytes) -> dict[str, Any]:
        """Keep a content; returns what the Hub lists about it under this path."""
        if is_large(path, len(content)):
            return self.put_large(content)
        oid = git_hash(content)
        (self.folder / "blobs" / oid).write_bytes(content)
        return {"oid": oid, "size": len(content)}

    def put_large(self, content: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / sha256).write_bytes(content)
        return large_entry(sha256, len(content))

    def blob(self, entry: dict[str, Any]) -> Path:
        """Where the content of an entry lies."""
        return self.large(entry["lfs"]["sha256"]) if "lfs" in entry else self.folder / "blobs" / entry["oid"]

    def large(self, sha256: str) -> Path:
        """Where a content of this hash lies, or would lie."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise problem(400, "", "Not a hash")
        return self.folder / "blobs" / sha256


def is_large(path: str, size: int) -> bool:
    """What the default .gitattributes of the real Hub, or its limit for plain files, send the LFS route."""
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size > LFS_BYTES)


def large_entry(sha256: str, size: int) -> dict[str, Any]:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    lfs = {"sha256": sha256, "size": size, "pointerSize": len(pointer)}
    return {"oid": git_hash(pointer), "size": size, "lfs": lfs}


def front_matter(text: str) -> dict[str, Any]:
    """A card's metadata; {} without any. Raises yaml.YAMLError."""
    parts = text.split("---\n", 2)
    found = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else {}
    return found if isinstance(found, dict) else {}
