"""Spaces: settings, hardware, and a runtime that goes through the stages of a build, one at each look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from .store import Space

if TYPE_CHECKING:
    from .server import LocalHub


def routes(hub: LocalHub) -> APIRouter:
    router = APIRouter(prefix="/api/spaces/{owner}/{name}")

    def owned(request: Request, owner: str, name: str) -> Space:
        hub.found(request, "spaces", owner, name, write=True)
        return hub.space(f"{owner}/{name}")

    @router.post("/variables")
    async def add_variable(request: Request, owner: str, name: str):
        space, body = owned(request, owner, name), await request.json()
        space.variables[body["key"]] = body["value"]
        return {key: {"value": value} for key, value in space.variables.items()}

    @router.post("/secrets")
    async def add_secret(request: Request, owner: str, name: str):
        space, body = owned(request, owner, name), await request.json()
        space.secrets[body["key"]] = body["value"]
        return {}

    @router.get("/runtime")
    def runtime(request: Request, owner: str, name: str):
        hub.found(request, "spaces", owner, name)
        space = hub.space(f"{owner}/{name}")
        shown = space.runtime()
        if space.stages:
            space.stage = space.stages.pop(0)
        return shown

    @router.post("/hardware")
    async def request_hardware(request: Request, owner: str, name: str):
        space, body = owned(request, owner, name), await request.json()
        space.hardware, space.sleep = body["flavor"], body.get("sleepTimeSeconds", space.sleep)
        return space.runtime()

    @router.post("/sleeptime")
    async def set_sleep_time(request: Request, owner: str, name: str):
        space, body = owned(request, owner, name), await request.json()
        space.sleep = body["seconds"]
        return space.runtime()

    @router.post("/restart")
    def restart(request: Request, owner: str, name: str):
        space = owned(request, owner, name)
        space.build(hub.builds)
        return space.runtime()

    @router.get("/logs/{kind}")
    def logs(request: Request, owner: str, name: str, kind: str):
        owned(request, owner, name)
        events = (f"data: {json.dumps({'data': line, 'timestamp': ''})}\n\n" for line in hub.log)
        return StreamingResponse(events, media_type="text/event-stream")

    return router
