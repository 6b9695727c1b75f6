"""A Hub for Spaces on this machine: the calls that deploying makes, recorded under the real API's names.

Paths and fields are those of the client huggingface_hub (hf_api.py, _commit_api.py, _space_api.py). Files are kept in
memory, by repository. `refuse` makes one call answer with a status; `stages` are the stages of the next builds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
import yaml
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

TOKENS = {"hf_ada": "ada", "hf_bob": "bob"}
MODEL_COMMIT = "c0ffee" + "0" * 34


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


@dataclass
class Model:
    """A repository of type model with its files; its one commit is MODEL_COMMIT."""

    private: bool = True
    files: dict[str, bytes] = field(default_factory=dict)


class LocalHub:
    """The server and what it saw; `with LocalHub() as hub: hub.endpoint`."""

    def __init__(self) -> None:
        self.spaces: dict[str, Space] = {}
        self.models: dict[str, Model] = {}
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

    def may_read(self, repo: str, request: Request) -> bool:
        model = self.models.get(repo)
        return model is not None and (not model.private or repo.split("/", maxsplit=1)[0] == request.state.user)

    def build(self, space: Space) -> None:
        space.stages = list(self.builds)
        space.stage = space.stages.pop(0)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def gate(request: Request, answer):
            if request.url.path.startswith(("/oauth", "/.well-known")):
                return await answer(request)
            call = f"{request.method} {request.url.path}"
            self.calls.append(call)
            for pattern, (status, message) in list(self.refuse.items()):
                if pattern in call:
                    return JSONResponse({"error": message}, status, {"X-Error-Message": message})
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token and token not in TOKENS:
                return JSONResponse({"error": "Invalid username or password."}, 401)
            request.state.user = TOKENS.get(token)
            return await answer(request)

        @app.get("/api/whoami-v2")
        def whoami(request: Request):
            if request.state.user is None:
                return JSONResponse({"error": "Invalid username or password."}, 401)
            return {"type": "user", "name": request.state.user, "orgs": []}

        @app.post("/api/validate-yaml")
        def validate():
            return {"errors": [], "warnings": []}

        @app.get("/api/models/{owner}/{name}")
        @app.get("/api/models/{owner}/{name}/revision/{revision}")
        def model(owner: str, name: str, request: Request):
            repo = f"{owner}/{name}"
            if not self.may_read(repo, request):
                return missing()
            files = self.models[repo].files
            siblings = [{"rfilename": p, "size": len(c), "blobId": blob_id(c)} for p, c in files.items()]
            return {"id": repo, "private": self.models[repo].private, "sha": MODEL_COMMIT, "siblings": siblings}

        @app.get("/api/models/{owner}/{name}/tree/{revision}")
        def model_tree(owner: str, name: str, request: Request):
            if not self.may_read(f"{owner}/{name}", request):
                return missing()
            files = self.models[f"{owner}/{name}"].files
            return [{"type": "file", "path": p, "size": len(c), "oid": blob_id(c)} for p, c in files.items()]

        @app.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
        def resolve(owner: str, name: str, path: str, request: Request):
            if not self.may_read(f"{owner}/{name}", request):
                return missing()
            content = self.models[f"{owner}/{name}"].files[path]
            return Response(content, headers={"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": MODEL_COMMIT})

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

        key = RSAKey.generate_key(2048, {"kid": "hub"})
        codes: dict[str, tuple[str, str | None]] = {}

        @app.get("/.well-known/openid-configuration")
        def openid():
            return {
                "issuer": self.endpoint,
                "authorization_endpoint": f"{self.endpoint}/oauth/authorize",
                "token_endpoint": f"{self.endpoint}/oauth/token",
                "userinfo_endpoint": f"{self.endpoint}/oauth/userinfo",
                "jwks_uri": f"{self.endpoint}/oauth/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }

        @app.get("/oauth/jwks")
        def jwks():
            return {"keys": [key.as_dict(private=False)]}

        @app.get("/oauth/authorize")
        def authorize(request: Request, redirect_uri: str, state: str, nonce: str | None = None):
            """Who is signed in at the Hub says the cookie `user` of the browser."""
            code = secrets.token_hex(8)
            codes[code] = (request.cookies["user"], nonce)
            glue = "&" if "?" in redirect_uri else "?"
            return RedirectResponse(f"{redirect_uri}{glue}{urlencode({'code': code, 'state': state})}", 302)

        @app.post("/oauth/token")
        async def token(request: Request):
            form = parse_qs((await request.body()).decode())
            user, nonce = codes.pop(form["code"][0])
            now = int(time.time())
            claims = {"iss": self.endpoint, "aud": "studio", "sub": user, "iat": now, "exp": now + 3600, "nonce": nonce}
            claims |= {"name": user, "preferred_username": user, "profile": "", "picture": ""}
            signed = jwt.encode({"alg": "RS256", "kid": "hub"}, claims, key)
            answer = {"access_token": f"hf_{user}", "id_token": signed, "token_type": "bearer", "expires_in": 3600}
            return answer | {"scope": "openid profile read-repos"}

        return app


def missing() -> JSONResponse:
    return JSONResponse({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})


def blob_id(content: bytes) -> str:
    """The id git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
