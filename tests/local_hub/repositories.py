"""Repositories: creating, listing, describing, branches and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import yaml
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from .store import Repository, Space, front_matter, problem

if TYPE_CHECKING:
    from .server import LocalHub

PAGE_SIZE = 100
BLOB_FIELDS = (("size", "size"), ("blobId", "oid"), ("lfs", "lfs"))


def routes(hub: LocalHub) -> APIRouter:
    router = APIRouter()

    @router.post("/api/validate-yaml")
    async def validate(request: Request):
        content = (await request.json())["content"]
        try:
            front_matter(content)
        except yaml.YAMLError as error:
            return JSONResponse({"errors": [{"message": str(error)}], "warnings": []}, 400)
        return {"errors": [], "warnings": []}

    @router.post("/api/repos/create")
    async def create(request: Request):
        body, who = await request.json(), hub.user(request)
        kind, owner = body.get("type") or "model", body.get("organization") or who
        if who is None or owner != who:
            message = f"You don't have the rights to create a {kind} under the namespace {owner}"
            raise problem(403 if who else 401, "", message)
        repo_id = f"{owner}/{body['name']}"
        space = None
        if kind == "space":
            hardware = body.get("hardware", "cpu-basic")
            space = Space(sdk=body["sdk"], hardware=hardware, sleep=body.get("sleepTimeSeconds"))
        with hub.lock:
            repository = hub.repositories.get((f"{kind}s", repo_id))
            if repository is None:
                repository = hub.create(f"{kind}s", repo_id, body.get("visibility") == "private", space)
                refusal = {}
            else:
                refusal = {"error": f"You already created this {kind} repo"}
        url = {"url": f"{hub.endpoint}/{repository.path}", "name": repo_id}
        return JSONResponse(url | refusal, 409 if refusal else 200)

    @router.get("/api/models")
    def list_models(request: Request):
        query, who = request.query_params, hub.user(request)
        models = [
            described(hub, repository, "main", False)
            for (kind, _), repository in hub.repositories.items()
            if kind == "models"
            and (not repository.private or who == repository.owner)
            and query.get("author", repository.owner) == repository.owner
        ]
        models = [model for model in models if set(query.getlist("filter")) <= set(model["tags"])]
        models.sort(key=lambda model: model["lastModified"], reverse=True)
        start = int(query.get("cursor", 0))
        end = start + min(PAGE_SIZE, int(query.get("limit", PAGE_SIZE)))
        pairs = [pair for pair in query.multi_items() if pair[0] != "cursor"]
        link = f'<{hub.endpoint}/api/models?{urlencode([*pairs, ("cursor", end)])}>; rel="next"'
        return JSONResponse(models[start:end], headers={"Link": link} if end < len(models) else {})

    @router.get("/api/{kind}/{owner}/{name}")
    @router.get("/api/{kind}/{owner}/{name}/revision/{revision:path}")
    def describe(request: Request, kind: str, owner: str, name: str, revision: str = "main", blobs: bool = False):
        return described(hub, hub.found(request, kind, owner, name), revision, blobs)

    @router.get("/api/{kind}/{owner}/{name}/refs")
    def refs(request: Request, kind: str, owner: str, name: str):
        repository = hub.found(request, kind, owner, name)

        def listed(names: dict[str, str], folder: str) -> list[dict[str, str]]:
            return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": oid} for n, oid in names.items()]

        branches, tags = listed(repository.branches, "heads"), listed(repository.tags, "tags")
        return {"branches": branches, "tags": tags, "converts": []}

    @router.post("/api/{kind}/{owner}/{name}/branch/{branch:path}")
    async def create_branch(request: Request, kind: str, owner: str, name: str, branch: str):
        repository, body = hub.found(request, kind, owner, name, write=True), await request.json()
        if branch in repository.branches:
            raise problem(409, "", f"Reference already exists: refs/heads/{branch}")
        with hub.lock:
            repository.branches[branch] = repository.resolve(body.get("startingPoint", "main"))
            hub.save(repository)
        return {}

    @router.post("/api/{kind}/{owner}/{name}/tag/{revision:path}")
    async def create_tag(request: Request, kind: str, owner: str, name: str, revision: str):
        repository, body = hub.found(request, kind, owner, name, write=True), await request.json()
        if body["tag"] in repository.tags:
            raise problem(409, "", f"Tag already exists: {body['tag']}")
        with hub.lock:
            repository.tags[body["tag"]] = repository.resolve(revision)
            hub.save(repository)
        return {}

    @router.get("/api/{kind}/{owner}/{name}/commits/{revision:path}")
    def commits(request: Request, kind: str, owner: str, name: str, revision: str):
        repository = hub.found(request, kind, owner, name)
        oid: str | None = repository.resolve(revision)
        listed = []
        while oid:
            commit, author = repository.commits[oid], [{"user": repository.owner}]
            listed.append({"id": oid, "title": commit.message, "message": "", "authors": author, "date": commit.date})
            oid = commit.parent
        return listed

    return router


def described(hub: LocalHub, repository: Repository, revision: str, blobs: bool) -> dict[str, Any]:
    """What the Hub says about a repository at a revision."""
    oid = repository.resolve(revision)
    commit = repository.commits[oid]
    files = [
        {"rfilename": path} | ({name: entry.get(key) for name, key in BLOB_FIELDS} if blobs else {})
        for path, entry in sorted(commit.files.items())
    ]
    card = hub.card(commit)
    description = {
        "_id": oid[:24],
        "id": repository.id,
        "author": repository.owner,
        "sha": oid,
        "lastModified": commit.date,
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [*card.get("tags", []), *(f"dataset:{name}" for name in card.get("datasets", []))],
        "cardData": card,
        "siblings": files,
    }
    if space := repository.space:
        return description | {"sdk": space.sdk, "runtime": space.runtime()}
    return description | {"pipeline_tag": card.get("pipeline_tag"), "library_name": card.get("library_name")}
