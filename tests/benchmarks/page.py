"""What a visitor's Chromium waits for: a cold page until its pictures, and a new seed until its pictures.

The page is timed against an empty Gradio page of the same components, without values, functions or events; the seed
against the server's own time, which is that of the function that draws and writes the pictures, and beside a page of a
number and a gallery alone, which draws the same.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext
from gradio.components import Component
from gradio.components.api_component import Api
from gradio.layouts import Form
from playwright.sync_api import Browser

import app
from aigc_core.demo import generate
from aigc_core.demo.inference import place_shipped_models
from aigc_core.demo.server import serve
from tests.browser.chromium import chromium
from tests.processes import free_port

from .report import interleaved, medians, print_table
from .start_up import ROOT

WARMING = 5
"""How many seeds are drawn before the ones that count."""
NOT_SHOWN = (gr.State, gr.BrowserState, gr.Timer, Api)
PICTURES = "document.querySelector('#images img')?.naturalWidth > 0"
EMPTY = "document.querySelector('#images')?.getBoundingClientRect().height > 0"
NEXT_PICTURES = """() => new Promise(done => {
  const first = () => document.querySelector('#images img'), before = first().src;
  document.querySelector('#seed input').addEventListener('keydown', event => {
    const look = () => first()?.src !== before && first()?.complete ? done(performance.now() - event.timeStamp)
                                                                    : requestAnimationFrame(look);
    look();
  }, {once: true});
})"""


@contextmanager
def served(page: gr.Blocks, **options: Any) -> Iterator[str]:
    """Serve a page from a thread of this process; yields its address."""
    port = free_port()
    serve(page, server_port=port, prevent_thread_lock=True, quiet=True, **options)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        page.close(verbose=False)


def empty_page(page: gr.Blocks) -> gr.Blocks:
    """A page of the same components in the same places, with nothing in them."""
    with gr.Blocks() as empty:
        _copy(page.children)
    return empty


def _copy(blocks: Sequence[Block]) -> None:
    for block in blocks:
        if isinstance(block, Form):  # Gradio puts these around controls by itself
            _copy(block.children)
        elif isinstance(block, BlockContext):
            with type(block)(visible=block.visible, elem_id=block.elem_id):
                _copy(block.children)
        elif isinstance(block, Component) and not isinstance(block, NOT_SHOWN):
            type(block)(visible=block.visible, elem_id=block.elem_id)


def smallest_page(show: Callable[[float], list[str]]) -> gr.Blocks:
    """A page of a seed and the pictures that a function draws of it."""
    with gr.Blocks() as smallest:
        seed = gr.Number(elem_id="seed")
        gallery = gr.Gallery(elem_id="images", columns=4, object_fit="contain", format="png", interactive=False)
        seed.submit(show, seed, gallery)
        smallest.load(lambda: show(0), None, gallery)
    return smallest


def open_cold(browser: Browser, address: str, shown: str) -> None:
    """Open a page with an empty cache and wait until an expression is true in it."""
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(shown)
    context.close()


def seconds_of_seeds(browser: Browser, address: str, rounds: int) -> list[float]:
    """Seconds from Enter in the seed's box until other pictures are shown, for new seeds on a page that is warm."""
    page = browser.new_page()
    page.goto(address)
    page.wait_for_function(PICTURES)
    page.wait_for_timeout(3000)
    seconds = []
    for seed in range(1000, 1000 + WARMING + rounds):
        page.locator("#seed input").fill(str(seed))
        waiting = page.evaluate_handle(f"() => ({{shown: ({NEXT_PICTURES})()}})")
        page.keyboard.press("Enter")
        seconds.append(waiting.evaluate("each => each.shown") / 1e3)
        page.wait_for_timeout(500)  # history and strips are drawn after the pictures
    page.close()
    return seconds[WARMING:]


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The function, which adds to `seconds` how long each call takes."""

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        started = time.perf_counter()
        result = function(*values)
        seconds.append(time.perf_counter() - started)
        return result

    return call


def drawn(seed: float) -> list[str]:
    """Files of the pictures that the app draws of a seed at first."""
    files, *_ = generate.generate(seed=int(seed), count=generate.COUNT)
    return [file.path for file in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="cold pages; of seeds three times as many")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    place_shipped_models()
    own: list[float] = []
    alone: list[float] = []
    generate.show = timed(generate.show, own)
    page = app.build(trains=True)
    look: Any = {"theme": app.Studio(), "head": app.HEAD, "i18n": app.text}
    small = smallest_page(timed(drawn, alone))
    with (
        served(page, **look) as address, served(empty_page(page)) as empty, served(small) as least,
        chromium() as browser,
    ):  # fmt: skip
        opened = partial(open_cold, browser, address, PICTURES), partial(open_cold, browser, empty, EMPTY)
        full, bare, ratio = medians(interleaved(*opened, arguments.rounds + 2)[2:])  # the first ones warm up
        rounds = 3 * arguments.rounds
        waited, least_waited = (seconds_of_seeds(browser, each, rounds) for each in (address, least))
    print_table(
        f"A cold page of {len(page.blocks)} components",
        ["until its pictures", "empty, until shown", "ratio"],
        [[f"{full:.2f} s", f"{bare:.2f} s", f"{ratio:.2f}×"]],
    )
    print_table(
        "Sixteen pictures of a new seed, medians",
        ["page", "seen in the browser", "server's own time", "above it"],
        [
            _of_seeds("the app's", waited, own[-rounds:]),
            _of_seeds("a number and a gallery alone", least_waited, alone[-rounds:]),
        ],
    )


def _of_seeds(page: str, seen: list[float], drawn: list[float]) -> list[str]:
    """A row of the table of seeds."""
    above = [whole - part for whole, part in zip(seen, drawn, strict=True)]
    return [page, *(f"{1e3 * statistics.median(each):.0f} ms" for each in (seen, drawn, above))]


if __name__ == "__main__":
    main()
