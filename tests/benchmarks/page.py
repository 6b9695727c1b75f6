"""What a visitor's Chromium waits for: a cold page until its pictures, and a new seed until its pictures.

The page is timed against an empty Gradio page of the same components, without values, functions or events; the seed
against the server's own time, which is that of the function that draws and writes the pictures.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext
from gradio.components import Component
from gradio.components.api_component import Api
from gradio.layouts import Form
from playwright.sync_api import Browser, Page

import app
from aigc_core.demo import generate
from aigc_core.demo.inference import place_shipped_models
from aigc_core.demo.server import serve
from tests.browser.chromium import chromium
from tests.processes import free_port

from .report import interleaved, medians, print_table
from .start_up import ROOT

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


def open_cold(browser: Browser, address: str, shown: str) -> None:
    """Open a page with an empty cache and wait until an expression is true in it."""
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(shown)
    context.close()


def seconds_of_seeds(page: Page, rounds: int) -> list[float]:
    """Seconds from Enter in the seed's box until other pictures are shown, for new seeds."""
    seconds = []
    for seed in range(1000, 1000 + rounds):
        page.locator("#seed input").fill(str(seed))
        waiting = page.evaluate_handle(f"() => ({{shown: ({NEXT_PICTURES})()}})")
        page.keyboard.press("Enter")
        seconds.append(waiting.evaluate("each => each.shown") / 1e3)
        page.wait_for_timeout(500)  # history and strips are drawn after the pictures
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="cold pages; of seeds three times as many")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    place_shipped_models()
    own: list[float] = []
    show = generate.show

    @functools.wraps(show)
    def timed(*values: Any) -> Any:
        started = time.perf_counter()
        shown = show(*values)
        own.append(time.perf_counter() - started)
        return shown

    generate.show = timed
    page = app.build(trains=True)
    look: Any = {"theme": app.Studio(), "head": app.HEAD, "i18n": app.text}
    with served(page, **look) as address, served(empty_page(page)) as empty, chromium() as browser:
        opened = partial(open_cold, browser, address, PICTURES), partial(open_cold, browser, empty, EMPTY)
        full, bare, ratio = medians(interleaved(*opened, arguments.rounds + 2)[2:])  # the first ones warm up
        view = browser.new_page()
        view.goto(address)
        view.wait_for_function(PICTURES)
        view.wait_for_timeout(3000)
        seconds_of_seeds(view, 5)
        own.clear()
        waited = seconds_of_seeds(view, 3 * arguments.rounds)
    print_table(
        f"A cold page of {len(page.blocks)} components",
        ["until its pictures", "empty, until shown", "ratio"],
        [[f"{full:.2f} s", f"{bare:.2f} s", f"{ratio:.2f}×"]],
    )
    above = statistics.median(1e3 * (seen - drawn) for seen, drawn in zip(waited, own, strict=True))
    print_table(
        "Sixteen pictures of a new seed, medians",
        ["seen in the browser", "server's own time", "above it"],
        [[f"{1e3 * statistics.median(waited):.0f} ms", f"{1e3 * statistics.median(own):.0f} ms", f"{above:.0f} ms"]],
    )


if __name__ == "__main__":
    main()
