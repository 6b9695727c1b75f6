"""A small Hugging Face Hub on this machine, for models and data sets, which can also be told to fail.

    python -m tests.local_hub --port 8400

starts it by hand; what it prints lets every program that uses huggingface_hub push to it and pull from it without an
account. Paths, fields and headers are those that the client huggingface_hub uses (hf_api.py, _commit_api.py, lfs.py,
file_download.py). Contents lie on disk under their hashes, repositories as JSON beside them: commits with their file
lists, branches, tags. Large files go the LFS route and are served, as on the real Hub, by another host, which must
not see the token.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
import yaml
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel

TOKENS = {"hf_local_ada": "ada", "hf_local_bob": "bob"}
LFS_BYTES = 10 * 2**20
LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pkl", ".npz")


class Fault(BaseModel):
    """What happens to requests whose "METHOD /path" matches `pattern`, the next `times` times or always.

    `status` with `headers` is answered instead; `silent` seconds pass before the answer; the connection is cut after
    `cut_after` bytes of the body; `damaged` flips the bits of its last byte.
    """

    pattern: str
    status: int | None = None
    headers: dict[str, str] = {}
    silent: float = 0
    cut_after: int | None = None
    damaged: bool = False
    times: int | None = None


class Commit(BaseModel):
    """A state of all files: path → what `blobs` lists about it."""

    parent: str | None
    message: str
    date: str
    files: dict[str, dict[str, Any]] = {}


class Repository(BaseModel):
    """`kind` is models or datasets."""

    kind: str
    id: str
    private: bool = False
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    commits: dict[str, Commit] = {}

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def commit(self, message: str, changes: dict[str, dict[str, Any] | None], branch: str = "main") -> str:
        """Add a commit on a branch; None removes a path. Returns its hash."""
        parent = self.branches.get(branch)
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


@dataclass
class Seen:
    """A request: "METHOD /path?query" and the token it carried, if any."""

    call: str
    token: str


def problem(status: int, code: str, message: str) -> HTTPException:
    return HTTPException(status, message, {"X-Error-Code": code, "X-Error-Message": message})


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class LocalHub:
    """The server: `with LocalHub(folder) as hub: hub.endpoint`. `seen` is what was asked, `faults` what fails."""

    folder: Path
    port: int = 0
    page_size: int = 100
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        (self.folder / "blobs").mkdir(parents=True, exist_ok=True)
        saved = [Repository.model_validate_json(path.read_text()) for path in sorted(self.folder.glob("*.json"))]
        self.repositories = {(repository.kind, repository.id): repository for repository in saved}

    def __enter__(self) -> LocalHub:
        config = uvicorn.Config(self._faulty(self.app()), "127.0.0.1", self.port, log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            if not self.thread.is_alive():
                raise OSError(f"Port {self.port} cannot be listened to.")
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, cache: Path, token: str = "hf_local_ada") -> dict[str, str]:
        """What another process needs to use this Hub, with a cache of its own."""
        return {"HF_ENDPOINT": self.endpoint, "HF_TOKEN": token, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}

    @contextmanager
    def fault(self, pattern: str, **what: Any) -> Iterator[Fault]:
        """Let requests fail inside the block; see Fault."""
        fault = Fault(pattern=pattern, **what)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)

    def calls(self, pattern: str = "") -> list[str]:
        """The requests so far that match a pattern."""
        return [seen.call for seen in self.seen if re.search(pattern, seen.call)]

    def files(self, repo_id: str, revision: str = "main", kind: str = "models") -> dict[str, bytes]:
        """Path → content of a repository, as stored."""
        repository = self.repositories[(kind, repo_id)]
        entries = repository.commits[repository.resolve(revision)].files
        return {path: self._blob(entry).read_bytes() for path, entry in entries.items()}

    def add(
        self,
        repo_id: str,
        files: dict[str, bytes],
        kind: str = "models",
        private: bool = False,
        branch: str = "main",
    ) -> Repository:
        """Put files, of any name, into a repository directly, as one commit; the repository is made if need be."""
        with self.lock:
            repository = self.repositories.get((kind, repo_id)) or self._create(kind, repo_id, private)
            changes = {path: self._store(path, content) for path, content in files.items()}
            repository.commit("Add files", changes, branch)
            self._save(repository)
        return repository

    def _create(self, kind: str, repo_id: str, private: bool) -> Repository:
        repository = self.repositories[(kind, repo_id)] = Repository(kind=kind, id=repo_id, private=private)
        repository.commit("initial commit", {".gitattributes": self._store(".gitattributes", b"")})
        self._save(repository)
        return repository

    def _save(self, repository: Repository) -> None:
        path = self.folder / f"{repository.kind}--{repository.id.replace('/', '--')}.json"
        path.write_text(repository.model_dump_json())

    def _store(self, path: str, content: bytes) -> dict[str, Any]:
        if is_large(path, len(content)):
            return self._store_large(content)
        oid = git_hash(content)
        (self.folder / "blobs" / oid).write_bytes(content)
        return {"oid": oid, "size": len(content)}

    def _store_large(self, content: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / sha256).write_bytes(content)
        return large_entry(sha256, len(content))

    def _blob(self, entry: dict[str, Any]) -> Path:
        return self.folder / "blobs" / (entry["lfs"]["sha256"] if "lfs" in entry else entry["oid"])

    def _faulty(self, app: Any) -> Any:
        """The app, with the faults between it and the network."""

        async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
            call = f"{scope['method']} {scope['path']}{query}"
            self.seen.append(Seen(call, headers.get("authorization", "").removeprefix("Bearer ")))
            fault = next((f for f in self.faults if f.times != 0 and re.search(f.pattern, call)), None)
            if fault is None:
                return await app(scope, receive, send)
            if fault.times is not None:
                fault.times -= 1
            if fault.silent:
                import asyncio

                await asyncio.sleep(fault.silent)
            if fault.status is not None:
                refusal = JSONResponse({"error": "A fault that was asked for"}, fault.status, fault.headers)
                return await refusal(scope, receive, send)
            sent = 0

            async def send_faultily(message: dict[str, Any]) -> None:
                nonlocal sent
                body = message.get("body", b"")
                if fault.cut_after is not None and sent + len(body) > fault.cut_after:
                    await send({**message, "body": body[: fault.cut_after - sent], "more_body": True})
                    raise ConnectionAbortedError
                sent += len(body)
                if fault.damaged and body and not message.get("more_body"):
                    message = {**message, "body": body[:-1] + bytes([body[-1] ^ 255])}
                await send(message)

            return await app(scope, receive, send_faultily)

        return answer

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.exception_handler(HTTPException)
        def refuse(request: Request, error: HTTPException) -> JSONResponse:
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)

        def user(request: Request) -> str | None:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token and token not in TOKENS:
                raise problem(401, "", "Invalid credentials in Authorization header")
            return TOKENS.get(token)

        def found(request: Request, kind: str, owner: str, name: str, write: bool = False) -> Repository:
            repository, who = self.repositories.get((kind, f"{owner}/{name}")), user(request)
            if repository is None or (repository.private and who != owner):
                raise problem(404 if who else 401, "RepoNotFound", "Repository not found")
            if write and who != owner:
                raise problem(403 if who else 401, "", "You don't have the rights to write to this repository")
            return repository

        def info(repository: Repository, revision: str, blobs: bool) -> dict[str, Any]:
            oid = repository.resolve(revision)
            commit = repository.commits[oid]
            files = [
                {"rfilename": path} | ({name: entry.get(key) for name, key in BLOB_FIELDS} if blobs else {})
                for path, entry in sorted(commit.files.items())
            ]
            card = self._card(commit)
            tags = [*card.get("tags", []), *(f"dataset:{name}" for name in card.get("datasets", []))]
            return {
                "_id": oid[:24],
                "id": repository.id,
                "modelId": repository.id,
                "author": repository.owner,
                "sha": oid,
                "lastModified": commit.date,
                "private": repository.private,
                "gated": False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": tags,
                "pipeline_tag": card.get("pipeline_tag"),
                "library_name": card.get("library_name"),
                "cardData": card,
                "siblings": files,
            }

        @app.get("/api/whoami-v2")
        def whoami(request: Request):
            if not (name := user(request)):
                raise problem(401, "", "Invalid username or password.")
            return {"type": "user", "name": name, "orgs": [], "auth": {"accessToken": {"role": "write"}}}

        @app.post("/api/validate-yaml")
        async def validate(request: Request):
            content = (await request.json())["content"]
            try:
                front_matter(content)
            except yaml.YAMLError as error:
                return JSONResponse({"errors": [{"message": str(error)}], "warnings": []}, 400)
            return {"errors": [], "warnings": []}

        @app.post("/api/repos/create")
        async def create(request: Request):
            body, who = await request.json(), user(request)
            owner, kind = body.get("organization") or who, f"{body.get('type') or 'model'}s"
            if who is None or owner != who:
                message = f"You don't have the rights to create a model under the namespace {owner}"
                raise problem(403 if who else 401, "", message)
            repo_id = f"{owner}/{body['name']}"
            url = {"url": f"{self.endpoint}/{'' if kind == 'models' else kind + '/'}{repo_id}", "name": repo_id}
            with self.lock:
                if (kind, repo_id) in self.repositories:
                    return JSONResponse({"error": "You already created this model repo", **url}, 409)
                self._create(kind, repo_id, body.get("visibility") == "private")
            return url

        @app.get("/api/models")
        def list_models(request: Request):
            query, who = request.query_params, user(request)
            models = [
                info(repository, "main", False)
                for (kind, _), repository in self.repositories.items()
                if kind == "models"
                and (not repository.private or who == repository.owner)
                and query.get("author", repository.owner) == repository.owner
            ]
            models = [model for model in models if set(query.getlist("filter")) <= set(model["tags"])]
            models.sort(key=lambda model: model["lastModified"], reverse=True)
            start = int(query.get("cursor", 0))
            end = start + min(self.page_size, int(query.get("limit", self.page_size)))
            pairs = [pair for pair in query.multi_items() if pair[0] != "cursor"]
            link = f'<{self.endpoint}/api/models?{urlencode([*pairs, ("cursor", end)])}>; rel="next"'
            return JSONResponse(models[start:end], headers={"Link": link} if end < len(models) else {})

        @app.get("/api/{kind}/{owner}/{name}")
        @app.get("/api/{kind}/{owner}/{name}/revision/{revision:path}")
        def show(request: Request, kind: str, owner: str, name: str, revision: str = "main", blobs: bool = False):
            if kind == "collections":
                return collection(request, f"{owner}/{name}")
            return info(found(request, kind, owner, name), revision, blobs)

        @app.get("/api/{kind}/{owner}/{name}/tree/{revision:path}")
        def tree(request: Request, kind: str, owner: str, name: str, revision: str):
            repository = found(request, kind, owner, name)
            files = repository.commits[repository.resolve(revision)].files
            return [tree_entry(path, entry) for path, entry in sorted(files.items())]

        @app.post("/api/{kind}/{owner}/{name}/paths-info/{revision:path}")
        async def paths_info(request: Request, kind: str, owner: str, name: str, revision: str):
            repository = found(request, kind, owner, name)
            files = repository.commits[repository.resolve(revision)].files
            asked = (await request.form()).getlist("paths")
            return [tree_entry(str(path), files[str(path)]) for path in asked if path in files]

        @app.get("/api/{kind}/{owner}/{name}/refs")
        def refs(request: Request, kind: str, owner: str, name: str):
            repository = found(request, kind, owner, name)

            def listed(names: dict[str, str], folder: str) -> list[dict[str, str]]:
                return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": oid} for n, oid in names.items()]

            branches, tags = listed(repository.branches, "heads"), listed(repository.tags, "tags")
            return {"branches": branches, "tags": tags, "converts": []}

        @app.post("/api/{kind}/{owner}/{name}/branch/{branch:path}")
        async def create_branch(request: Request, kind: str, owner: str, name: str, branch: str):
            repository, body = found(request, kind, owner, name, write=True), await request.json()
            if branch in repository.branches:
                raise problem(409, "", f"Reference already exists: refs/heads/{branch}")
            with self.lock:
                repository.branches[branch] = repository.resolve(body.get("startingPoint", "main"))
                self._save(repository)
            return {}

        @app.post("/api/{kind}/{owner}/{name}/tag/{revision:path}")
        async def create_tag(request: Request, kind: str, owner: str, name: str, revision: str):
            repository, body = found(request, kind, owner, name, write=True), await request.json()
            if body["tag"] in repository.tags:
                raise problem(409, "", f"Tag already exists: {body['tag']}")
            with self.lock:
                repository.tags[body["tag"]] = repository.resolve(revision)
                self._save(repository)
            return {}

        @app.get("/api/{kind}/{owner}/{name}/commits/{revision:path}")
        def commits(request: Request, kind: str, owner: str, name: str, revision: str):
            repository = found(request, kind, owner, name)
            oid: str | None = repository.resolve(revision)
            listed = []
            while oid:
                commit = repository.commits[oid]
                author = [{"user": repository.owner}]
                listed.append(
                    {"id": oid, "title": commit.message, "message": "", "authors": author, "date": commit.date}
                )
                oid = commit.parent
            return listed

        @app.post("/api/{kind}/{owner}/{name}/preupload/{revision:path}")
        async def preupload(request: Request, kind: str, owner: str, name: str, revision: str):
            repository = found(request, kind, owner, name, write=True)
            there, answers = repository.commits[repository.resolve(revision)].files, []
            for asked in (await request.json())["files"]:
                entry = there.get(asked["path"], {})
                answers.append(
                    {
                        "path": asked["path"],
                        "uploadMode": "lfs" if is_large(asked["path"], asked["size"]) else "regular",
                        "shouldIgnore": False,
                        "oid": entry["lfs"]["sha256"] if "lfs" in entry else entry.get("oid"),
                    }
                )
            return {"files": answers, "commitOid": repository.resolve(revision)}

        @app.post("/{owner}/{name}.git/info/lfs/objects/batch")
        async def lfs_batch(request: Request, owner: str, name: str):
            found(request, "models", owner, name, write=True)
            objects = [{"oid": asked["oid"], "size": asked["size"]} for asked in (await request.json())["objects"]]
            for entry in objects:
                if not (self.folder / "blobs" / checked(entry["oid"])).is_file():
                    upload = {"href": f"{self.endpoint}/lfs/{entry['oid']}?signature=1", "header": {}}
                    verify = {"href": f"{self.endpoint}/{owner}/{name}.git/info/lfs/verify"}
                    entry["actions"] = {"upload": upload, "verify": verify}
            return {"transfer": "basic", "objects": objects}

        @app.put("/lfs/{oid}")
        async def lfs_upload(request: Request, oid: str):
            content = await request.body()
            if hashlib.sha256(content).hexdigest() != oid:
                raise problem(400, "", "The content has another hash than announced")
            self._store_large(content)
            return Response()

        @app.post("/{owner}/{name}.git/info/lfs/verify")
        async def lfs_verify(request: Request):
            body = await request.json()
            path = self.folder / "blobs" / checked(body["oid"])
            if not path.is_file() or path.stat().st_size != body["size"]:
                raise problem(404, "", "The object is not there")
            return {}

        @app.post("/api/{kind}/{owner}/{name}/commit/{branch:path}")
        async def commit(request: Request, kind: str, owner: str, name: str, branch: str):
            repository = found(request, kind, owner, name, write=True)
            if branch not in repository.branches:
                raise problem(404, "RevisionNotFound", f"Invalid rev id: {branch}")
            changes: dict[str, dict[str, Any] | None] = {}
            message = ""
            for line in (await request.body()).splitlines():
                entry = json.loads(line)
                key, value = entry["key"], entry["value"]
                if key == "header":
                    message = value["summary"]
                elif key == "file":
                    content = base64.b64decode(value["content"])
                    oid = git_hash(content)
                    (self.folder / "blobs" / oid).write_bytes(content)
                    changes[value["path"]] = {"oid": oid, "size": len(content)}
                elif key == "lfsFile":
                    if not (self.folder / "blobs" / checked(value["oid"])).is_file():
                        raise problem(400, "", f"The LFS object of {value['path']} was not uploaded")
                    changes[value["path"]] = large_entry(value["oid"], value["size"])
                elif key == "deletedFile":
                    changes[value["path"]] = None
            with self.lock:
                oid = repository.commit(message, changes, branch)
                self._save(repository)
            url = f"{self.endpoint}/{repository.id}/commit/{oid}"
            return {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}

        @app.post("/api/collections")
        async def create_collection(request: Request):
            body = await request.json()
            slug = f"{body['namespace']}/{body['title'].lower().replace(' ', '-')}-{len(self.collections):024x}"
            self.collections[slug] = {
                "slug": slug,
                "title": body["title"],
                "owner": {"name": body["namespace"]},
                "items": [],
                "lastUpdated": now(),
                "position": 0,
                "private": body.get("private", False),
                "theme": "green",
                "upvotes": 0,
            }
            return self.collections[slug]

        def collection(request: Request, slug: str) -> dict[str, Any]:
            if slug not in self.collections:
                raise problem(404, "", "Collection not found")
            shown, who = self.collections[slug], user(request)
            hidden = {r.id for r in self.repositories.values() if r.private and r.owner != who}
            return {**shown, "items": [item for item in shown["items"] if item["id"] not in hidden]}

        @app.post("/api/collections/{owner}/{name}/items")
        async def add_item(request: Request, owner: str, name: str):
            items = self.collections[f"{owner}/{name}"]["items"]
            item = (await request.json())["item"]
            items.append({"_id": f"{len(items):024x}", "position": len(items), **item})
            return collection(request, f"{owner}/{name}")

        @app.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
        def resolve_model(request: Request, owner: str, name: str, revision: str, path: str):
            return resolve(found(request, "models", owner, name), revision, path)

        @app.api_route("/datasets/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
        def resolve_dataset(request: Request, owner: str, name: str, revision: str, path: str):
            return resolve(found(request, "datasets", owner, name), revision, path)

        def resolve(repository: Repository, revision: str, path: str) -> Response:
            oid = repository.resolve(revision)
            entry = repository.commits[oid].files.get(path)
            if entry is None:
                refusal = problem(404, "EntryNotFound", "Entry not found")
                refusal.headers = {**(refusal.headers or {}), "X-Repo-Commit": oid}
                raise refusal
            if "lfs" not in entry:
                headers = {"X-Repo-Commit": oid, "ETag": f'"{entry["oid"]}"'}
                return FileResponse(self._blob(entry), headers=headers, media_type="application/octet-stream")
            sha256 = entry["lfs"]["sha256"]
            # Another host than the endpoint's, as the real Hub's storage is.
            headers = {
                "Location": f"http://localhost:{self.port}/storage/{sha256}?signature=1",
                "X-Repo-Commit": oid,
                "X-Linked-ETag": f'"{sha256}"',
                "X-Linked-Size": str(entry["size"]),
            }
            return Response(status_code=302, headers=headers)

        @app.get("/storage/{sha256}")
        def storage(request: Request, sha256: str):
            if "authorization" in request.headers:
                raise problem(400, "", "Only one auth mechanism allowed")
            return FileResponse(self.folder / "blobs" / checked(sha256), headers={"ETag": f'"{sha256}"'})

        @app.post("/faults")
        async def add_fault(fault: Fault):
            self.faults.append(fault)
            return self.faults

        @app.delete("/faults")
        def remove_faults():
            self.faults.clear()
            return self.faults

        @app.get("/{owner}/{name}", response_class=PlainTextResponse)
        @app.get("/{owner}/{name}/commit/{revision}", response_class=PlainTextResponse)
        @app.get("/{owner}/{name}/tree/{revision:path}", response_class=PlainTextResponse)
        def page(request: Request, owner: str, name: str, revision: str = "main"):
            repository = found(request, "models", owner, name)
            commit = repository.commits[repository.resolve(revision)]
            names = ", ".join([*repository.branches, *repository.tags])
            lines = [f"{entry['size']:12,} {path}" for path, entry in sorted(commit.files.items())]
            return "\n".join([f"{repository.id}: {names}", f"{commit.date} {commit.message}", *lines, ""])

        return app

    def _card(self, commit: Commit) -> dict[str, Any]:
        entry = commit.files.get("README.md")
        return front_matter(self._blob(entry).read_text(encoding="utf-8")) if entry else {}


BLOB_FIELDS = (("size", "size"), ("blobId", "oid"), ("lfs", "lfs"))


def is_large(path: str, size: int) -> bool:
    """What the default .gitattributes of the real Hub, or its limit for plain files, send the LFS route."""
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size > LFS_BYTES)


def large_entry(sha256: str, size: int) -> dict[str, Any]:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    lfs = {"sha256": sha256, "size": size, "pointerSize": len(pointer)}
    return {"oid": git_hash(pointer), "size": size, "lfs": lfs}


def tree_entry(path: str, entry: dict[str, Any]) -> dict[str, Any]:
    answer = {"type": "file", "path": path, "oid": entry["oid"], "size": entry["size"]}
    if "lfs" in entry:
        lfs = entry["lfs"]
        answer["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return answer


def front_matter(text: str) -> dict[str, Any]:
    """A card's metadata; {} without any. Raises yaml.YAMLError."""
    parts = text.split("---\n", 2)
    found = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else {}
    return found if isinstance(found, dict) else {}


def checked(oid: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", oid):
        raise problem(400, "", "Not a hash")
    return oid


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.local_hub", description=__doc__)
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--folder", type=Path, help="where to keep what is pushed; by default it is forgotten")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        with LocalHub(folder, port=arguments.port) as hub:
            settings = hub.environment(folder / "client")
            print("A local Hub; in another terminal:\n")
            print("\n".join(f"export {name}={value}" for name, value in settings.items()))
            print("python -m aigc_core push checkpoints/mnist ada/mnist\npython -m aigc_core list --owner ada\n")
            print(f"A fault: curl -X POST {hub.endpoint}/faults -H 'content-type: application/json' \\")
            print('  -d \'{"pattern": "GET /storage", "cut_after": 1000}\'; all well again: curl -X DELETE …/faults')
            try:
                while hub.thread.is_alive():
                    hub.thread.join(1)
            except KeyboardInterrupt:
                print()


if __name__ == "__main__":
    main()
