"""Files: listing, downloading, uploading and committing them.

Large files go the LFS route and are served, as on the real Hub, by another host, which must not see the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from .store import Repository, is_large, large_entry, problem

if TYPE_CHECKING:
    from .server import LocalHub


def routes(hub: LocalHub) -> APIRouter:
    router = APIRouter()

    @router.get("/api/{kind}/{owner}/{name}/tree/{revision:path}")
    def tree(request: Request, kind: str, owner: str, name: str, revision: str):
        files = hub.found(request, kind, owner, name).at(revision).files
        return [tree_entry(path, entry) for path, entry in sorted(files.items())]

    @router.post("/api/{kind}/{owner}/{name}/paths-info/{revision:path}")
    async def paths_info(request: Request, kind: str, owner: str, name: str, revision: str):
        files = hub.found(request, kind, owner, name).at(revision).files
        asked = (await request.form()).getlist("paths")
        return [tree_entry(str(path), files[str(path)]) for path in asked if path in files]

    @router.post("/api/{kind}/{owner}/{name}/preupload/{revision:path}")
    async def preupload(request: Request, kind: str, owner: str, name: str, revision: str):
        repository = hub.found(request, kind, owner, name, write=True)
        there, answers = repository.at(revision).files, []
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

    @router.post("/api/{kind}/{owner}/{name}/commit/{branch:path}")
    async def commit(request: Request, kind: str, owner: str, name: str, branch: str):
        repository = hub.found(request, kind, owner, name, write=True)
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
                changes[value["path"]] = hub.put(value["path"], base64.b64decode(value["content"]))
            elif key == "lfsFile":
                if not hub.large(value["oid"]).is_file():
                    raise problem(400, "", f"The LFS object of {value['path']} was not uploaded")
                changes[value["path"]] = large_entry(value["oid"], value["size"])
            elif key == "deletedFile":
                changes[value["path"]] = None
        with hub.lock:
            oid = repository.commit(message, changes, branch)
            if repository.space:
                repository.space.build(hub.builds)
            hub.save(repository)
        url = f"{hub.endpoint}/{repository.path}/commit/{oid}"
        return {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}

    @router.put("/lfs/{sha256}")
    async def lfs_upload(request: Request, sha256: str):
        content = await request.body()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise problem(400, "", "The content has another hash than announced")
        hub.put_large(content)
        return Response()

    def lfs_batch(repository: Repository, asked: list[dict[str, Any]]) -> dict[str, Any]:
        objects: list[dict[str, Any]] = [{"oid": entry["oid"], "size": entry["size"]} for entry in asked]
        for entry in objects:
            if not hub.large(entry["oid"]).is_file():
                upload = {"href": f"{hub.endpoint}/lfs/{entry['oid']}?signature=1", "header": {}}
                verify = {"href": f"{hub.endpoint}/{repository.path}.git/info/lfs/verify"}
                entry["actions"] = {"upload": upload, "verify": verify}
        return {"transfer": "basic", "objects": objects}

    def lfs_verify(asked: dict[str, Any]) -> dict[str, Any]:
        path = hub.large(asked["oid"])
        if not path.is_file() or path.stat().st_size != asked["size"]:
            raise problem(404, "", "The object is not there")
        return {}

    def resolve(repository: Repository, revision: str, path: str) -> Response:
        oid = repository.resolve(revision)
        entry = repository.commits[oid].files.get(path)
        if entry is None:
            refusal = problem(404, "EntryNotFound", "Entry not found")
            refusal.headers = {**(refusal.headers or {}), "X-Repo-Commit": oid}
            raise refusal
        if "lfs" not in entry:
            headers = {"X-Repo-Commit": oid, "ETag": f'"{entry["oid"]}"'}
            return FileResponse(hub.blob(entry), headers=headers, media_type="application/octet-stream")
        sha256 = entry["lfs"]["sha256"]
        # Another host than the endpoint's, as the real Hub's storage is.
        headers = {
            "Location": f"http://localhost:{hub.port}/storage/{sha256}?signature=1",
            "X-Repo-Commit": oid,
            "X-Linked-ETag": f'"{sha256}"',
            "X-Linked-Size": str(entry["size"]),
        }
        return Response(status_code=302, headers=headers)

    for kind, prefix in (("datasets", "/datasets"), ("spaces", "/spaces"), ("models", "")):

        @router.post(prefix + "/{owner}/{name}.git/info/lfs/objects/batch")
        async def batch(request: Request, owner: str, name: str, kind: str = kind):
            return lfs_batch(hub.found(request, kind, owner, name, write=True), (await request.json())["objects"])

        @router.post(prefix + "/{owner}/{name}.git/info/lfs/verify")
        async def verify(request: Request, owner: str, name: str):
            return lfs_verify(await request.json())

        @router.api_route(prefix + "/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
        def download(request: Request, owner: str, name: str, revision: str, path: str, kind: str = kind):
            return resolve(hub.found(request, kind, owner, name), revision, path)

    @router.get("/storage/{sha256}")
    def storage(request: Request, sha256: str):
        if "authorization" in request.headers:
            raise problem(400, "", "Only one auth mechanism allowed")
        return FileResponse(hub.large(sha256), headers={"ETag": f'"{sha256}"'})

    return router


def tree_entry(path: str, entry: dict[str, Any]) -> dict[str, Any]:
    answer = {"type": "file", "path": path, "oid": entry["oid"], "size": entry["size"]}
    if "lfs" in entry:
        lfs = entry["lfs"]
        answer["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return answer
