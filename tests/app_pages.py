"""The app as tests meet it, served over HTTP, and pages of it in a browser."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from aigc_core import Checkpoint
from aigc_core.sampling.directions import load_directions
from tests.local_hub import LocalHub
from tests.processes import ROOT, answering, free_port
from tests.toy_models import toy_checkpoint

MODEL = "checkpoints/fashion-mnist"
STRONGEST = load_directions(Checkpoint.from_pretrained(ROOT / MODEL)).strongest(4)


@contextmanager
def served_app(folder: Path) -> Iterator[str]:
    """The address of a running app, in a folder with a run of a model with styles, beside a Hub with a model and with
    none."""
    styles = toy_checkpoint("style").save_pretrained(folder / "runs" / "styles")
    files = {path.name: path.read_bytes() for path in styles.iterdir()}
    with LocalHub(folder / "hub") as hub:
        hub.add("ada/styles", files)
        hub.add("ada/styles", files, branch="step-0000100")
        hub.add("ada/notes", {"README.md": b"Nothing but words."})
        port = free_port()
        own = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "served"), "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--mcp"],
            cwd=folder,
            env=os.environ | own | hub.environment(folder / "hf"),
        )
        url = f"http://127.0.0.1:{port}/"
        with answering(server, url):
            yield url


def opened(browser: Browser, address: str, query: str = "", **context: object) -> Page:
    """A page of a visitor of its own, when its images are there."""
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    page.goto(address + query)
    expect(page.locator("#images img").first).to_be_attached(timeout=60_000)
    page.wait_for_function("location.search.includes('seed=')", timeout=60_000)
    return page


def first_image(page: Page) -> torch.Tensor:
    source = page.locator("#images img").first.get_attribute("src")
    with Image.open(io.BytesIO(page.request.get(str(source)).body())) as picture:
        return torch.tensor(list(picture.convert("L").getdata()))


def sheet_image(page: Page, sheet: str, index: int) -> torch.Tensor:
    source = str(page.locator(f"{sheet} img").nth(index).get_attribute("src"))
    with Image.open(io.BytesIO(b64decode(source.partition(",")[2]))) as picture:
        return torch.tensor(list(picture.convert("L").getdata()))
