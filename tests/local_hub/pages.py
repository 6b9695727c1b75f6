"""What a browser shows of the Hub: plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

if TYPE_CHECKING:
    from .server import LocalHub


def routes(hub: LocalHub) -> APIRouter:
    router = APIRouter(default_response_class=PlainTextResponse)

    @router.get("/")
    def index():
        public = [
            f"{hub.endpoint}/{repository.path}" for repository in hub.repositories.values() if not repository.private
        ]
        return "\n".join(["A local Hub. What is public on it:", *sorted(public), ""])

    for kind, prefix in (("datasets", "/datasets"), ("spaces", "/spaces"), ("models", "")):

        @router.get(prefix + "/{owner}/{name}")
        @router.get(prefix + "/{owner}/{name}/commit/{revision}")
        @router.get(prefix + "/{owner}/{name}/tree/{revision:path}")
        def show(request: Request, owner: str, name: str, revision: str = "main", kind: str = kind):
            repository = hub.found(request, kind, owner, name)
            commit = repository.at(revision)
            names = ", ".join([*repository.branches, *repository.tags])
            state = [repr(repository.space.runtime())] if repository.space else []
            lines = [f"{entry['size']:12,} {path}" for path, entry in sorted(commit.files.items())]
            return "\n".join([f"{repository.id}: {names}", f"{commit.date} {commit.message}", *state, *lines, ""])

    return router
