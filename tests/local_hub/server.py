"""The server: who asks, what they may see, and the parts of the Hub's API put together."""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from . import collections, contents, pages, repositories, sign_in, spaces
from .faults import Fault, Gate
from .sign_in import USERS
from .store import Repository, Store, problem


class LocalHub(Store):
    """`with LocalHub(folder) as hub: hub.endpoint`; `hub.seen` is what was asked, `hub.fault(…)` lets it fail.

    A new build of a Space goes through `builds`, and `log` is what it writes. Entering raises OSError or OverflowError
    where `port` cannot be listened to; 0 is any that is free.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder)
        self.port = port
        self.gate = Gate()
        self.seen, self.fault = self.gate.seen, self.gate.fault
        self.builds = ["BUILDING", "APP_STARTING", "RUNNING"]
        self.log = [f"line {number}\n" for number in range(50)]
        self.collections: dict[str, dict] = {}
        self.gate.app = self._app()

    def __enter__(self) -> LocalHub:
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(self.gate, log_level="critical", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, args=([listening],), daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
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

    def calls(self, pattern: str = "") -> list[str]:
        """The requests so far that match a pattern."""
        return [seen.call for seen in self.seen if re.search(pattern, seen.call)]

    def user(self, request: Request) -> str | None:
        """Whose token a request carries."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in USERS:
            raise problem(401, "", "Invalid credentials in Authorization header")
        return USERS.get(token)

    def found(self, request: Request, kind: str, owner: str, name: str, write: bool = False) -> Repository:
        """A repository, if who asks may read or write it."""
        repository, who = self.repositories.get((kind, f"{owner}/{name}")), self.user(request)
        if repository is None or (repository.private and who != owner):
            raise problem(404 if who else 401, "RepoNotFound", "Repository not found")
        if write and who != owner:
            raise problem(403 if who else 401, "", "You don't have the rights to write to this repository")
        return repository

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.exception_handler(HTTPException)
        def refuse(request: Request, error: HTTPException) -> JSONResponse:
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)

        @app.get("/api/whoami-v2")
        def whoami(request: Request):
            if not (name := self.user(request)):
                raise problem(401, "", "Invalid username or password.")
            return {"type": "user", "name": name, "orgs": [], "auth": {"accessToken": {"role": "write"}}}

        @app.post("/faults")
        async def add_fault(fault: Fault):
            self.gate.faults.append(fault)
            return self.gate.faults

        @app.delete("/faults")
        def remove_faults():
            self.gate.faults.clear()
            return self.gate.faults

        # What a path means is settled by the first that knows it.
        for part in (sign_in, spaces, collections, repositories, contents, pages):
            app.include_router(part.routes(self))
        return app
