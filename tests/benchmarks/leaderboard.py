"""The Leaderboard with 300 checkpoints from 60 repositories on a local Hub: its first paint, clicks, memory, viewers.

    python -m tests.benchmarks.leaderboard [--viewers 50] [--pause 40]

The repositories are of 20 recipes with 3 training seeds and 5 steps each, all of one protocol; their results are those
of a shipped model with noise on top, influence values and all. Chromium opens the page three times in a browser without
a cache and clicks; then so many viewers, who speak Streamlit's own protocol over a websocket each, come one after
another, open the same page and click every `--pause` seconds, and once all are there Chromium clicks again beside them.
A click ends when the script has and the page shows what it sent.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from playwright.sync_api import Page, TimeoutError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.folder import read_config
from aigc_core.checkpoint.layout import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from aigc_core.evaluation.results import Result, read_results
from aigc_core.hub import TAG
from aigc_core.metrics.estimate import Estimate
from tests.browser.chromium import chromium
from tests.dashboard_pages import served_dashboard
from tests.local_hub import LocalHub

from .report import print_table

MODEL = SHIPPED / "fashion-mnist"
RECIPES, SEEDS, STEPS = 20, 3, 5
VISITS = 3
CLICKS = 4
"""An even number, after which the page is as it was before."""
ATTEMPTS = 5
QUERY = "add=ada"
CARD = f"---\ntags: [{TAG}]\n---\n".encode()
FINISHED = """() => {
    const app = document.querySelector('[data-testid=stApp]')
    window.finished = 0
    new MutationObserver(() => {
        if (app.dataset.testScriptState === 'notRunning') window.finished += 1
    }).observe(app, {attributes: true, attributeFilter: ['data-test-script-state']})
}"""
"""Counts the runs of the page's script that have ended."""


def fill(hub: LocalHub) -> None:
    """Put the repositories on the Hub, without any weights that could be opened."""
    config, results = read_config(MODEL), read_results(MODEL)
    draw = random.Random(0)
    for recipe in range(RECIPES):
        for seed in range(SEEDS):
            for step in range(1, STEPS + 1):
                own = config.recipe | {"seed": seed, "batch_size": 8 * (1 + recipe)}
                changed = config.model_copy(update={"step": step, "samples_seen": 1000 * step, "recipe": own})
                files = {CONFIG_FILE: changed.as_json().encode(), WEIGHTS_FILE: b"0", CARD_FILE: CARD}
                for result in results:
                    varied = _varied(result, draw, 1 + recipe / 10 / step)
                    files[f"eval/{result.protocol.id}.json"] = varied.model_dump_json().encode()
                branches = [f"step-{step:07d}", *(["main"] if step == STEPS else [])]
                for branch in branches:
                    hub.add(f"ada/recipe-{recipe:02d}-{seed}", files, branch=branch)


def _varied(result: Result, draw: random.Random, level: float) -> Result:
    """A result with noise on its figures and on their influence values."""
    figures = {}
    for name, figure in result.figures.items():
        factor = level * draw.gauss(1, 0.02)
        spread = statistics.pstdev(figure.influence_values or [0]) / 10
        figures[name] = Estimate.of_error(
            factor * figure.value,
            factor * figure.standard_error,
            [one + draw.gauss(0, spread) for one in figure.influence_values],
            figure.bias,
        )
    return result.model_copy(update={"figures": figures})


async def view(address: str, pause: float, until: float, waits: list[float]) -> None:
    """A viewer who comes within a pause, opens the page and, until a time comes, asks for it in another order again and
    again."""
    await asyncio.sleep(random.uniform(0, pause))
    async with connect(f"ws://{address}/_stcore/stream", max_size=None) as socket:
        first = True
        while time.monotonic() < until:
            message = BackMsg()
            message.rerun_script.query_string = f"{QUERY}&rank={random.choice(('FID', 'KID', 'Precision', 'Recall'))}"
            started = time.monotonic()
            await socket.send(message.SerializeToString())
            while True:
                answer = ForwardMsg.FromString(await socket.recv(decode=False))
                if answer.WhichOneof("type") == "script_finished":
                    break
            if not first:
                waits.append(time.monotonic() - started)
            first = False
            await asyncio.sleep(min(random.uniform(0.5, 1.5) * pause, until - time.monotonic()))


def views(address: str, viewers: int, pause: float, seconds: float) -> list[float]:
    """Seconds that the viewers waited for each of their clicks."""
    waits: list[float] = []

    async def all_of_them() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(view(address, pause, until, waits) for _ in range(viewers)))

    asyncio.run(all_of_them())
    return waits


def painted(page: Page) -> None:
    """Wait until a table is drawn."""
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()


def settled(page: Page) -> None:
    """Wait until a table is drawn and the script has ended."""
    painted(page)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def _timed_click(page: Page, click: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """Seconds from a click until the script has ended and the browser has drawn what it sent; `prepare` leads to it.

    The page is left alone for a moment before. Still a click may be lost: on a table, which is a canvas, while it is
    drawn again, or on a menu that scrolling has closed. Then it is made again.
    """
    for _ in range(ATTEMPTS):
        page.wait_for_timeout(500)
        with suppress(TimeoutError):
            prepare()
            before = page.evaluate("window.finished")
            started = time.monotonic()
            click()
            page.wait_for_function("before => window.finished > before", arg=before, polling="raf", timeout=10_000)
            return time.monotonic() - started
    raise RuntimeError("no click had an effect")


def click_through(page: Page) -> dict[str, list[float]]:
    """Seconds of several kinds of clicks."""
    menu, table = page.get_by_role("combobox", name="Rank by"), page.get_by_test_id("stDataFrame").first
    kinds = ("rank by another figure", "search for a name", "tick a row", "page to the next 50")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(CLICKS):
        option = page.get_by_role("option", name=("KID", "FID")[number % 2], exact=True)
        found["rank by another figure"].append(_timed_click(page, partial(option.click, timeout=5_000), menu.click))
        field = page.get_by_label("Name contains")
        for words in ("recipe-01", ""):
            field.fill(words)
            found["search for a name"].append(_timed_click(page, partial(field.press, "Enter")))
        table.scroll_into_view_if_needed()
        tick = partial(table.click, position={"x": 18, "y": 52}, force=True)
        found["tick a row"].append(_timed_click(page, tick))
        # The search has led back to the first page.
        turn = page.get_by_test_id("stPagination").first.get_by_role("button", name="Page 2", exact=True)
        found["page to the next 50"].append(_timed_click(page, turn.click))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.leaderboard", description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--pause", type=float, default=40, help="seconds between two clicks of a viewer, on average")
    arguments = parser.parse_args()
    rows: list[list[str]] = []

    def add(what: str, seconds: list[float], process: psutil.Process) -> None:
        memory = process.memory_info().rss >> 20
        rows.append([what, f"{statistics.median(seconds):.2f} s", f"{max(seconds):.2f} s", f"{memory} MB"])

    with TemporaryDirectory() as scratch, LocalHub(Path(scratch) / "hub") as hub:
        fill(hub)
        with served_dashboard(hub.environment(Path(scratch) / "cache")) as (address, pid), chromium() as browser:
            process = psutil.Process(pid)

            def opened(query: str) -> tuple[Page, float, float]:
                """The page, and the seconds until a table and until all was drawn."""
                page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
                page.set_default_timeout(120_000)
                started = time.monotonic()
                page.goto(f"http://{address}/?{query}")
                painted(page)
                first = time.monotonic() - started
                settled(page)
                return page, first, time.monotonic() - started

            for what, query in (("the shipped models alone", ""), ("all of them", QUERY)):
                page, *_ = opened(query)
                page.get_by_text("Still reading").wait_for(state="hidden")
                settled(page)
                page.context.close()
                visits = []
                for _ in range(VISITS):
                    page, *seconds = opened(query)
                    visits.append(seconds)
                    page.context.close()
                add(f"open, {what}: first table", [first for first, _ in visits], process)
                add(f"open, {what}: whole page", [whole for _, whole in visits], process)
            page, *_ = opened(QUERY)
            page.evaluate(FINISHED)
            for what, seconds in click_through(page).items():
                add(what, seconds, process)
            with ThreadPoolExecutor(1) as pool:
                viewing = pool.submit(views, address, arguments.viewers, arguments.pause, 2 * arguments.pause)
                time.sleep(arguments.pause)
                for what, seconds in click_through(page).items():
                    add(f"{what}, beside {arguments.viewers} viewers", seconds, process)
                add(f"what {arguments.viewers} viewers wait", viewing.result(), process)
    print_table("Leaderboard of 300 checkpoints", ["what", "median", "slowest", "memory"], rows)


if __name__ == "__main__":
    main()
