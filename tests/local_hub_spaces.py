"""A Hub for Spaces on this machine: the calls that deploying makes, recorded under the real API's names.

Paths and fields are those of the client huggingface_hub (hf_api.py, _commit_api.py, _space_api.py). Files are kept in
memory, by repository. `refuse` makes one call answer with a status; `stages` are the stages of the next builds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import yaml
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

TOKENS = {"hf_ada": "ada", "hf_bob": "bob"}


@dataclass
class Space:
    """A repository of type space: its files, commits, settings and runtime."""

    sdk: str
    private: bool
    hardware: str
    sleep: int | None = None
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b""})
    commits: list[str] = field(default_factory=lambda: ["0" * 40])
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    stage: str = "RUNNING"
    stages: list[str] = field(default_factory=list)

    def runtime(self) -> dict[str, Any]:
        hardware = {"current": self.hardware, "requested": self.hardware}
        return {"stage": self.stage, "hardware": hardware, "storage": None, "gcTimeout": self.sleep}


class LocalHub:
    """The server and what it saw; `with LocalHub() as hub: hub.endpoint`."""

    def __init__(self) -> None:
        self.spaces: dict[str, Space] = {}
        self.models: dict[str, bool] = {}
        self.calls: list[str] = []
        self.refuse: dict[str, tuple[int, str]] = {}
        self.builds: list[str] = ["BUILDING", "APP_STARTING", "RUNNING"]
        self.log = [f"line {number}\n" for number in range(50)]
        self.server = uvicorn.Server(uvicorn.Config(self.app(), host="127.0.0.1", port=0, log_level="error"))

    def __enter__(self) -> LocalHub:
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()

    def build(self, space: Space) -> None:
        space.stages = list(self.builds)
        space.stage = space.stages.pop(0)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def gate(request: Request, answer):
            call = f"{request.method} {request.url.path}"
            self.calls.append(call)
            for pattern, (status, message) in list(self.refuse.items()):
                if pattern in call:
                    return JSONResponse({"error": message}, status, {"X-Error-Message": message})
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in TOKENS:
                return JSONResponse({"error": "Invalid username or password."}, 401)
            request.state.user = TOKENS[token]
            return await answer(request)

        @app.get("/api/whoami-v2")
        def whoami(request: Request):
            return {"type": "user", "name": request.state.user, "orgs": []}

        @app.post("/api/validate-yaml")
        def validate():
            return {"errors": [], "warnings": []}

        @app.get("/api/models/{owner}/{name}")
        def model(owner: str, name: str):
            repo = f"{owner}/{name}"
            if repo not in self.models:
                return missing()
            return {"id": repo, "private": self.models[repo], "siblings": []}

        @app.post("/api/repos/create")
        async def create(request: Request):
            body = await request.json()
            owner = body["organization"] or request.state.user
            repo = f"{owner}/{body['name']}"
            if owner != request.state.user:
                message = f"You don't have the rights to create a space under the namespace {owner}"
                return JSONResponse({"error": message}, 403, {"X-Error-Message": message})
            if repo in self.spaces:
                return JSONResponse({"error": "You already created this space repo"}, 409)
            hardware, sleep = body.get("hardware", "cpu-basic"), body.get("sleepTimeSeconds")
            self.spaces[repo] = Space(body["sdk"], body.get("visibility") == "private", hardware, sleep)
            return {"url": f"{self.endpoint}/spaces/{repo}"}

        @app.get("/api/spaces/{owner}/{name}")
        @app.get("/api/spaces/{owner}/{name}/revision/{revision}")
        def info(owner: str, name: str):
            repo = f"{owner}/{name}"
            if repo not in self.spaces:
                return missing()
            space = self.spaces[repo]
            card = space.files.get("README.md", b"").decode()
            return {
                "id": repo,
                "sha": space.commits[-1],
                "sdk": space.sdk,
                "private": space.private,
                "cardData": yaml.safe_load(card.split("---\n")[1]) if card else {},
                "siblings": [{"rfilename": path} for path in space.files],
                "runtime": space.runtime(),
            }

        @app.get("/api/spaces/{owner}/{name}/tree/{revision}")
        def tree(owner: str, name: str):
            files = self.spaces[f"{owner}/{name}"].files
            return [{"type": "file", "path": p, "size": len(c), "oid": blob_id(c)} for p, c in files.items()]

        @app.post("/api/spaces/{owner}/{name}/preupload/{revision}")
        async def preupload(owner: str, name: str, request: Request):
            there = self.spaces[f"{owner}/{name}"].files
            asked = [file["path"] for file in (await request.json())["files"]]
            found = {path: blob_id(there[path]) for path in asked if path in there}
            files = [{"path": p, "uploadMode": "regular", "shouldIgnore": False, "oid": found.get(p)} for p in asked]
            return {"files": files}

        @app.post("/api/spaces/{owner}/{name}/commit/{revision}")
        async def commit(owner: str, name: str, request: Request):
            space = self.spaces[f"{owner}/{name}"]
            body = await request.body()
            for line in body.decode().splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    space.files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "deletedFile":
                    del space.files[value["path"]]
            space.commits.append(hashlib.sha1(body).hexdigest())
            self.build(space)
            oid = space.commits[-1]
            return {
                "success": True,
                "commitOid": oid,
                "commitUrl": f"{self.endpoint}/spaces/{owner}/{name}/commit/{oid}",
            }

        @app.post("/api/spaces/{owner}/{name}/variables")
        async def variable(owner: str, name: str, request: Request):
            body = await request.json()
            self.spaces[f"{owner}/{name}"].variables[body["key"]] = body["value"]
            return {key: {"value": value} for key, value in self.spaces[f"{owner}/{name}"].variables.items()}

        @app.post("/api/spaces/{owner}/{name}/secrets")
        async def secret(owner: str, name: str, request: Request):
            body = await request.json()
            self.spaces[f"{owner}/{name}"].secrets[body["key"]] = body["value"]
            return {}

        @app.get("/api/spaces/{owner}/{name}/runtime")
        def runtime(owner: str, name: str):
            space = self.spaces[f"{owner}/{name}"]
            answer = space.runtime()
            if space.stages:
                space.stage = space.stages.pop(0)
            return answer

        @app.post("/api/spaces/{owner}/{name}/hardware")
        async def hardware(owner: str, name: str, request: Request):
            space, body = self.spaces[f"{owner}/{name}"], await request.json()
            space.hardware, space.sleep = body["flavor"], body.get("sleepTimeSeconds", space.sleep)
            return space.runtime()

        @app.post("/api/spaces/{owner}/{name}/sleeptime")
        async def sleep_time(owner: str, name: str, request: Request):
            self.spaces[f"{owner}/{name}"].sleep = (await request.json())["seconds"]
            return self.spaces[f"{owner}/{name}"].runtime()

        @app.post("/api/spaces/{owner}/{name}/restart")
        def restart(owner: str, name: str):
            self.build(self.spaces[f"{owner}/{name}"])
            return self.spaces[f"{owner}/{name}"].runtime()

        @app.get("/api/spaces/{owner}/{name}/logs/{kind}")
        def logs(owner: str, name: str, kind: str):
            events = (f"data: {json.dumps({'data': line, 'timestamp': ''})}\n\n" for line in self.log)
            return StreamingResponse(events, media_type="text/event-stream")

        return app


def missing() -> JSONResponse:
    return JSONResponse({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})


def blob_id(content: bytes) -> str:
    """The id git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
