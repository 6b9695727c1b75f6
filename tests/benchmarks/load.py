"""Many visitors at once: calls a second, waits, errors, memory and disk of the app under load.

One process speaks Gradio's protocol over plain sockets, so that nearly all of the processor is the server's: POST
/call/NAME and an event stream for the API, POST /queue/join and /queue/data for what the page does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from aigc_core.demo.options import SLOTS, Kind
from tests.processes import answering, free_port

from .report import print_table
from .start_up import ROOT

MODELS = [f"checkpoints/{name}" for name in ("mnist", "fashion-mnist", "cifar10", "mnist-mlp")]
COUNT = 16
STEP_SECONDS = 10
FLOOR = """
import sys, gradio as gr, app
from aigc_core.demo.pictures import write_pictures
from aigc_core.demo.server import serve
page = app.build()
paths = []
def empty() -> tuple[list[gr.FileData], gr.FileData | None, str]:
    paths[:] = paths or write_pictures([(f"{k}.png", bytes(800)) for k in range(16)])
    return [gr.FileData(path=path) for path in paths], None, "?"
with page:
    gr.api(empty, api_name="empty")
serve(page, server_port=int(sys.argv[1]))
"""
"""The page with a function that returns what /generate does, but draws and writes nothing."""


def page_controls(model: str, count: int, strength: float) -> list[Any]:
    """What the page's function `show` takes: seeds, options, of which only the first is set, directions and styles."""
    empty: dict[Kind, Any] = {"slider": 0, "number": None, "menu": None, "switch": False, "words": ""}
    own = [1, *(empty[kind] for kind in SLOTS[1:]), ""]
    return [model, 7, count, [], "", *own, strength, 0, 0, 0, None, 0, ""]


@dataclass
class Connection:
    """HTTP/1.1 that stays open, for one request at a time."""

    port: int
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    async def request(self, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        """The status and the whole body of an answer; a POST if there is a body."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        reader, writer = self.streams
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: {kind}\r\n"
        writer.write(f"{head}Content-Length: {len(body or b'')}\r\n\r\n".encode() + (body or b""))
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(answer.split(b" ", 2)[1])
        if b"transfer-encoding: chunked" not in answer:
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            return status, await reader.readexactly(length)
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readexactly(2)
        return status, b"".join(parts)

    async def post(self, path: str, **values: Any) -> Any:
        """The JSON of an answer. Raises RuntimeError for any status but 200."""
        status, answer = await self.request(path, json.dumps(values).encode())
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer[:200]!r}")
        return json.loads(answer)

    async def call(self, name: str, *data: Any) -> list[Any]:
        """What an endpoint of the API returns. Raises RuntimeError for an error."""
        event = (await self.post(f"/gradio_api/call/{name}", data=data))["event_id"]
        _, stream = await self.request(f"/gradio_api/call/{name}/{event}")
        kind, _, answer = stream.strip().split(b"\n\n")[-1].partition(b"\n")
        if kind != b"event: complete":
            raise RuntimeError(f"{name}: {stream[-300:]!r}")
        return json.loads(answer.removeprefix(b"data: "))

    async def page_event(self, session: str, function: int, data: list[Any], query: str = "") -> None:
        """An event of the page, to its end. Raises RuntimeError for an error."""
        joined = {"data": data, "fn_index": function, "session_hash": session, "event_data": None}
        await self.post(f"/gradio_api/queue/join{query}", **joined)
        _, stream = await self.request(f"/gradio_api/queue/data?session_hash={session}")
        messages = [json.loads(line[6:]) for line in stream.split(b"\n\n") if line]
        if not any(message["msg"] == "process_completed" and message["success"] for message in messages):
            raise RuntimeError(f"event {function}: {messages[-2:]}")


@dataclass
class Visitor:
    """One of many, with numbers of its own."""

    connection: Connection
    functions: dict[str, int]
    random: random.Random
    session: str
    picture: str = ""

    async def generate(self) -> None:
        """16 images of one of four models, with one moved direction."""
        moved = self.random.choice([-2, 1.5, 3])
        [[pictures, *_]] = await self.connection.call(
            "generate", self.random.choice(MODELS), self.random.randrange(10**6), COUNT, "", 1, moved,
            0, 0, 0, None, 0, "", "", "",
        )  # fmt: skip
        if len(pictures) != COUNT:
            raise RuntimeError(f"{len(pictures)} images")

    async def empty(self) -> None:
        """What costs Gradio as much as `generate`, and us nothing."""
        await self.connection.call("empty")

    async def sliders(self) -> None:
        """A slider of the page that moves."""
        strength = round(self.random.uniform(-4, 4), 1)
        controls = page_controls(MODELS[1], COUNT, strength)
        await self.connection.page_event(self.session, self.functions["show"], controls)

    async def explore(self) -> None:
        """The map of 81 images when the tab is opened."""
        link = f"?checkpoint={MODELS[1]}&seed={self.random.randrange(10**6)}"
        opened = ["explore", None, link, MODELS[1], None, None, None, 3]
        await self.connection.page_event(self.session, self.functions["if_open"], opened)

    async def invert(self) -> None:
        """The search for the nearest image to an uploaded picture, to its end."""
        if not self.picture:
            content = (ROOT / MODELS[1] / "samples.png").read_bytes()
            head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
            form = head + content + b"\r\n--b--\r\n"
            answer = await self.connection.request("/gradio_api/upload", form, "multipart/form-data; boundary=b")
            self.picture = json.loads(answer[1])[0]
        await self.connection.call(
            "invert", MODELS[1], {"path": self.picture, "meta": {"_type": "gradio.FileData"}}, ""
        )

    async def links(self) -> None:
        """A shared link that is opened: the page, and the event that reads its address."""
        query = f"?checkpoint={self.random.choice(MODELS)}&seed={self.random.randrange(10**6)}&count=4"
        status, _ = await self.connection.request(f"/{query}")
        if status != 200:
            raise RuntimeError(f"the page: {status}")
        self.session = f"{self.random.getrandbits(50):x}"
        await self.connection.page_event(self.session, self.functions["state_of_address"], [], query)


@dataclass
class Measured:
    """Seconds that each call took, errors, and MB of memory and of disk every ten seconds."""

    waits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)
    seconds: float = 0
    server: float = 0
    client: float = 0

    def row(self, name: str, clients: int) -> list[str]:
        """A row of the table."""
        waits, calls = sorted(self.waits), len(self.waits)
        return [
            name, str(clients), f"{calls}", f"{calls / self.seconds:.1f}", f"{statistics.median(waits):.2f} s",
            f"{waits[int(0.99 * calls)]:.2f} s", str(len(self.errors)), f"{1e3 * self.server / calls:.1f} ms",
            f"{self.client / (self.client + self.server):.0%}",
        ]  # fmt: skip


async def measure(
    address: tuple[int, psutil.Process, Path], kind: str, clients: int, seconds: float, pause: float
) -> Measured:
    """Let so many visitors call again and again, with a pause between."""
    port, process, served = address
    measured = Measured()
    functions = await _functions(Connection(port))
    started, before, own = time.monotonic(), sum(process.cpu_times()[:2]), resource.getrusage(resource.RUSAGE_SELF)

    async def visit(number: int) -> None:
        visitor = Visitor(Connection(port), functions, random.Random(number), f"{kind}{number}")
        call: Callable[[], Awaitable[None]] = getattr(visitor, kind)
        while (begun := time.monotonic()) < started + seconds:
            try:
                await call()
                measured.waits.append(time.monotonic() - begun)
            except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
                measured.errors.append(str(error))
                visitor.connection = Connection(port)
            await asyncio.sleep(pause)

    async with _watched(measured, process, served):
        await asyncio.gather(*map(visit, range(clients)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    measured.seconds = time.monotonic() - started
    measured.server = sum(process.cpu_times()[:2]) - before
    measured.client = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    return measured


@asynccontextmanager
async def _watched(measured: Measured, process: psutil.Process, served: Path) -> AsyncIterator[None]:
    async def look() -> None:
        measured.memory.append(process.memory_info().rss >> 20)
        # A process of its own: to walk many files here would keep the clients waiting until the server hangs up.
        usage = await asyncio.create_subprocess_exec("du", "-sm", str(served), stdout=asyncio.subprocess.PIPE)
        printed, _ = await usage.communicate()
        measured.disk.append(int(printed.split()[0]))

    async def watch() -> None:
        while True:
            await look()
            await asyncio.sleep(STEP_SECONDS)

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()
    await look()


async def _functions(connection: Connection) -> dict[str, int]:
    """The numbers of the page's functions by name; of several with one name, the first."""
    _, config = await connection.request("/config")
    found: dict[str, int] = {}
    for function in json.loads(config)["dependencies"]:
        found.setdefault(function["api_name"], function["id"])
    return found


@contextmanager
def started(*command: str) -> Iterator[tuple[int, psutil.Process, Path]]:
    """A cold server of a command that a port is added to: its port, its process, and the folder of what it serves."""
    port = free_port()
    with tempfile.TemporaryDirectory() as served:
        server = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=ROOT,
            env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": served},
            stdout=subprocess.DEVNULL,
        )
        with answering(server, f"http://127.0.0.1:{port}/"):
            yield port, psutil.Process(server.pid), Path(served)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0, help="seconds between two calls of a client")
    parser.add_argument("--only", action="store_true", help="/generate alone")
    arguments = parser.parse_args()
    others = () if arguments.only else (("sliders", 20, 10), ("explore", 4, 10), ("links", 10, 10), ("invert", 2, 20))
    rows, told = [], []
    with started("app.py", "--port") as address:
        for kind, clients, seconds in (("generate", arguments.clients, arguments.seconds), *others):
            measured = asyncio.run(measure(address, kind, clients, seconds, arguments.pause))
            rows.append(measured.row(kind, clients))
            told += [f"{kind}: {error}" for error in measured.errors[:3]]
            if kind == "generate":
                along = f"Every {STEP_SECONDS} s of it: memory {measured.memory} MB, disk {measured.disk} MB."
    if not arguments.only:
        with started("-c", FLOOR) as address:
            asyncio.run(measure(address, "empty", arguments.clients, 3, 0))
            floor = asyncio.run(measure(address, "empty", arguments.clients, 10, 0))
            rows.append(floor.row("Gradio's floor: an empty function", arguments.clients))
    head = ["what", "clients", "calls", "calls a second", "median wait", "99th percentile", "errors",
            "server's processor a call", "client's share"]  # fmt: skip
    print_table("The app under load, from a cold start", head, rows)
    print(along, *told, sep="\n")


if __name__ == "__main__":
    main()
