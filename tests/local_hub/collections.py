"""Collections of repositories; they are forgotten when the server ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from .store import now, problem

if TYPE_CHECKING:
    from .server import LocalHub


def routes(hub: LocalHub) -> APIRouter:
    router = APIRouter()

    @router.post("/api/collections")
    async def create(request: Request):
        body = await request.json()
        slug = f"{body['namespace']}/{body['title'].lower().replace(' ', '-')}-{len(hub.collections):024x}"
        hub.collections[slug] = {
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
        return hub.collections[slug]

    @router.get("/api/collections/{owner}/{name}")
    def show(request: Request, owner: str, name: str) -> dict[str, Any]:
        if f"{owner}/{name}" not in hub.collections:
            raise problem(404, "", "Collection not found")
        collection, who = hub.collections[f"{owner}/{name}"], hub.user(request)
        hidden = {r.id for r in hub.repositories.values() if r.private and r.owner != who}
        return {**collection, "items": [item for item in collection["items"] if item["id"] not in hidden]}

    @router.post("/api/collections/{owner}/{name}/items")
    async def add_item(request: Request, owner: str, name: str):
        items = hub.collections[f"{owner}/{name}"]["items"]
        item = (await request.json())["item"]
        items.append({"_id": f"{len(items):024x}", "position": len(items), **item})
        return show(request, owner, name)

    return router
