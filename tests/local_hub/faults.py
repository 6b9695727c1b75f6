"""What stands between the Hub and the network: a record of all requests, and the faults that were asked for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel


class Fault(BaseModel):
    """What happens to requests whose "METHOD /path" matches `pattern`, the next `times` times or always.

    `status` with `headers` is answered instead; `silent` seconds pass before the answer, fewer if the fault is removed
    meanwhile; the connection is cut after `cut_after` bytes of the body, of the request if it has one and else of the
    answer; `damaged` flips the bits of the answer's last byte. `body` is answered in place of the right one, each
    letter a byte; `added` headers replace those of the answer.
    """

    pattern: str
    status: int | None = None
    headers: dict[str, str] = {}
    silent: float = 0
    cut_after: int | None = None
    damaged: bool = False
    body: str | None = None
    added: dict[str, str] = {}
    times: int | None = None


@dataclass
class Seen:
    """A request: "METHOD /path?query", the token it carried and the range of bytes it asked for, if any."""

    call: str
    token: str
    range: str


@dataclass
class Gate:
    """An ASGI application around another one; `seen` is what was asked, `faults` what fails.

    `open` holds the requests that are not answered yet, `most_open` is how many that were at most.
    """

    app: Any = None
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    most_open: int = 0

    @contextmanager
    def fault(self, pattern: str, **what: Any) -> Iterator[Fault]:
        """Let requests fail inside the block; see Fault."""
        fault = Fault(pattern=pattern, **what)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        number = f"{len(self.seen)} {scope['client']}"
        self.open.add(number)
        self.most_open = max(len(self.open), self.most_open)

        async def send_and_close(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.open.discard(number)
            await send(message)

        try:
            await self._answer(scope, receive, send_and_close)
        finally:
            self.open.discard(number)

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        call = f"{scope['method']} {scope['path']}{query}"
        token = headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append(Seen(call, token, headers.get("range", "")))
        fault = next((f for f in self.faults if f.times != 0 and re.search(f.pattern, call)), None)
        if fault is None:
            return await self.app(scope, receive, send)
        if fault.times is not None:
            fault.times -= 1
        loop = asyncio.get_running_loop()
        end = loop.time() + fault.silent
        while fault in self.faults and (left := end - loop.time()) > 0:
            await asyncio.sleep(min(left, 0.05))
        if fault.status is not None:
            said = fault.headers.get("X-Error-Message", "A fault that was asked for")
            refusal = JSONResponse({"error": said}, fault.status, fault.headers)
            return await refusal(scope, receive, send)
        if fault.cut_after is not None and int(headers.get("content-length", 0)) > fault.cut_after:
            received = 0
            while received <= fault.cut_after:
                received += len((await receive()).get("body", b""))
            return receive.__self__.transport.abort()  # uvicorn's own connection: no answer at all
        if fault.body is not None:
            return await Response(fault.body.encode("latin-1"), 200)(scope, receive, send)
        sent = 0

        async def send_faultily(message: dict[str, Any]) -> None:
            nonlocal sent
            if message["type"] == "http.response.start" and fault.added:
                added = {name.lower().encode(): value.encode("latin-1") for name, value in fault.added.items()}
                kept = [(name, value) for name, value in message["headers"] if name not in added]
                message = {**message, "headers": [*kept, *added.items()]}
            body = message.get("body", b"")
            if fault.cut_after is not None and sent + len(body) > fault.cut_after:
                await send({**message, "body": body[: fault.cut_after - sent], "more_body": True})
                raise ConnectionAbortedError
            sent += len(body)
            if fault.damaged and body and not message.get("more_body"):
                message = {**message, "body": body[:-1] + bytes([body[-1] ^ 255])}
            await send(message)

        return await self.app(scope, receive, send_faultily)
