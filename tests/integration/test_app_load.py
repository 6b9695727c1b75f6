"""The app with many visitors at once, from a cold start, and what it keeps of them."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from gradio.routes import App

import app
from aigc_core.demo import pictures
from aigc_core.demo.server import Sessions
from aigc_core.modalities.png import read_png
from aigc_core.pipeline import Checkpoint
from tests.benchmarks.load import Connection, Visitor, measure, page_controls, started
from tests.processes import ROOT


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, psutil.Process, Path]]:
    """An app that has been asked for nothing when the first test gets it, and that listens beyond this machine."""
    with started("app.py", "--host", "0.0.0.0", "--port") as address:
        yield address


def test_a_cold_start_takes_forty_callers_at_once_without_an_error(server: tuple[int, psutil.Process, Path]) -> None:
    measured = asyncio.run(measure(server, "generate", clients=40, seconds=1, pause=0))
    assert not measured.errors and len(measured.waits) >= 40
    (files, archive, link), *_ = asyncio.run(
        Connection(server[0]).call("generate", "checkpoints/mnist", 3, 2, "", 1, 0, 0, 0, 0, None, 0, "", "", "")
    )
    assert archive is None and "seed=3" in link
    expected = Checkpoint.from_pretrained(ROOT / "checkpoints/mnist").sample(seed=3, count=2).images
    for file, image in zip(files, expected, strict=True):
        assert (read_png(Path(file["path"]))[0].int() - image.int()).abs().max() <= 1
        status, content = asyncio.run(Connection(server[0]).request(f"/gradio_api/file={file['path']}"))
        assert status == 200 and content == Path(file["path"]).read_bytes()


def test_strangers_have_no_tab_to_train(server: tuple[int, psutil.Process, Path]) -> None:
    status, config = asyncio.run(Connection(server[0]).request("/config"))
    assert status == 200 and b"invert-explore" in config and b"train-start" not in config


def test_those_who_wait_are_told_where_they_are(server: tuple[int, psutil.Process, Path]) -> None:
    """The page shows what these messages say."""

    async def ranks(port: int) -> list[int]:
        connection = Connection(port)
        _, config = await connection.request("/config")
        functions = {entry["api_name"]: entry["id"] for entry in json.loads(config)["dependencies"]}
        visitors = [Visitor(Connection(port), functions, random.Random(k), f"s{k}") for k in range(12)]
        await asyncio.gather(*(visitor.sliders() for visitor in visitors[:2]))
        joined = {"data": page_controls("checkpoints/fashion-mnist", 64, 0), "event_data": None}
        for visitor in visitors:
            await visitor.connection.post(
                "/gradio_api/queue/join", fn_index=functions["show"], session_hash=visitor.session, **joined
            )
        _, stream = await visitors[-1].connection.request(f"/gradio_api/queue/data?session_hash={visitors[-1].session}")
        messages = [json.loads(line[6:]) for line in stream.split(b"\n\n") if line]
        return [message["rank"] for message in messages if message["msg"] == "estimation"]

    assert max(asyncio.run(ranks(server[0]))) > 0


def test_a_call_leaves_no_session_and_a_visitor_keeps_one_while_here() -> None:
    page = app.build()
    sessions = Sessions(page)
    page._queue.event_ids_to_events["call"] = None  # type: ignore[assignment]  # a call that runs
    page._queue.pending_event_ids_session |= {"call": set(), "visitor": {"event"}}
    assert sessions["call"] is not sessions["call"] and "call" not in sessions
    visitor = sessions["visitor"]
    assert sessions["visitor"] is visitor
    generate = next(function for function in page.fns.values() if function.api_name == "generate")
    asyncio.run(page.preprocess_data(generate, ["checkpoints/mnist", *[0] * 13], visitor))
    assert not visitor.config_values
    sessions.delete_all_expired_state()
    assert "visitor" in sessions and page._queue.pending_event_ids_session == {"visitor": {"event"}}
    visitor.is_closed = True
    sessions.delete_all_expired_state()
    assert "visitor" not in sessions


def test_gradio_asks_the_holder_of_sessions_that_is_set() -> None:
    """What `serve` relies on: the app's attribute is read anew for each call."""
    page = app.build()
    gradio_app = App.create_app(page)
    gradio_app.state_holder = sessions = Sessions(page)
    assert page.state_holder is sessions


def test_served_files_are_bounded_in_age_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "get_upload_folder", lambda: str(tmp_path))
    monkeypatch.setattr(pictures, "KEPT_BYTES", 20 * 4096)
    monkeypatch.setattr(pictures, "SWEEP_EVERY", 4)
    monkeypatch.setattr(pictures, "_measured", type(pictures._measured)())
    monkeypatch.setattr(pictures, "_unmeasured", [])
    written = []
    for _ in range(60):
        written.append(pictures.served_folder() / "a.png")
        written[-1].write_bytes(bytes(4096))
    left = [path.is_file() for path in written]
    assert 20 <= sum(left) <= 28 and left == sorted(left), "the oldest go first"
