"""The tab Train in a browser: from a folder of pictures to a model, as a student would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from aigc_core.training.lock import run_owner
from tests.processes import ROOT, answering, free_port

SMALL = {"AIGC_PLUGINS": "tests.quick_presets", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits_folder: Path) -> Path:
    """Where the app runs, beside a folder of pictures of which one is broken and one is none."""
    folder = tmp_path_factory.mktemp("train")
    shutil.copytree(digits_folder, folder / "pictures")
    (folder / "pictures" / "0" / "broken.png").write_bytes(b"no picture")
    (folder / "pictures" / "notes.docx").write_bytes(b"words")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    port = free_port()
    own = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "served")}
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", str(port)], cwd=folder, env=os.environ | own | SMALL
    )
    url = f"http://127.0.0.1:{port}/"
    with answering(server, url):
        yield url
    for run in (folder / "runs").glob("*"):
        if owner := run_owner(run):
            with suppress(ProcessLookupError):
                os.kill(owner.pid, signal.SIGKILL)


def opened(browser: Browser, address: str, **context: object) -> Page:
    """The tab Train in a page of its own."""
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    page.goto(f"{address}?tab=train")
    expect(page.locator("#run")).to_be_visible()
    return page


def type_in(page: Page, name: str, value: str) -> None:
    box = page.locator(f"#{name} input")
    box.click()
    box.fill(value)
    box.press("Enter")
    box.blur()


def choose_option(page: Page, name: str, option: str) -> None:
    """Choose from a list, which may come a moment after what it belongs to."""
    page.locator(f"#{name} input").click()
    page.locator(f"#{name}").get_by_role("option", name=option, exact=True).click()


def state_of(page: Page, state: str) -> None:
    expect(page.locator("#train-status .state")).to_have_class(re.compile(state))


def test_from_a_folder_to_a_model_that_opens_in_generate(browser: Browser, address: str, folder: Path) -> None:
    page = opened(browser, address)
    type_in(page, "train-data", str(folder / "pictures"))
    looked = page.locator("#train-looked")
    expect(looked.locator("img.thumbnails")).to_be_visible()
    expect(looked).to_contain_text("500 training samples")
    expect(looked).to_contain_text("10 classes: 0 (50), 1 (50)")
    expect(looked).to_contain_text("broken.png")
    expect(looked).to_contain_text("1 .docx")
    command = page.locator("#train-command").locator("input, textarea")
    expect(command).to_have_value(re.compile("^python -m aigc_core train"))  # the recipes are those of the data
    choose_option(page, "train-preset", "quick")
    expect(command).to_have_value(re.compile("--preset quick "))
    page.locator("#train-minutes input").fill("30")
    expect(command).to_have_value(re.compile("--seconds 1800 "))
    page.locator("#train-name input, #train-name textarea").fill("digits")
    expect(command).to_have_value(
        f"python -m aigc_core train --preset quick --data {folder / 'pictures'} --seconds 1800 --out runs/digits"
    )
    page.locator("#train-start").click()
    state_of(page, "starting|training")
    expect(page.locator("#train-picture img")).to_be_visible()
    expect(page.locator("#train-charts")).to_contain_text("Discriminator's score of real samples")
    expect(page.locator("#train-status")).to_contain_text(re.compile(r"samples a second · about .* left"))
    moment = page.locator("#train-moment input[type=range]")
    expect(moment).to_be_visible()
    moment.fill("1")
    expect(page.locator("#train-picture p")).to_contain_text("step ")
    expect(page.locator("#train-picture p")).to_contain_text("Generator's loss")

    # Another page shows the same run, in its own language; closing the first does not end it.
    other = opened(browser, address, locale="zh-CN", viewport={"width": 390, "height": 844})
    state_of(other, "training")
    expect(other.locator("#train-status")).to_contain_text("训练中")
    page.close()
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    other.locator("#train-pause").click()
    state_of(other, "paused")
    third = opened(browser, address)
    choose_option(third, "run", "digits")
    state_of(third, "paused")
    other.locator("#train-go-on").click()
    state_of(third, "training")
    third.locator("#train-stop").click()
    state_of(other, "stopped")
    third.locator("#train-open").click()
    expect(third.locator("#link").locator("input, textarea")).to_have_value(re.compile("checkpoint=runs%2Fdigits&"))
    expect(third.locator("#images img").first).to_be_visible()
    third.context.close()
    other.context.close()


def test_what_is_missing_is_said(browser: Browser, address: str) -> None:
    page = opened(browser, address, locale="zh-CN")
    page.locator("#train-start").click()
    expect(page.get_by_text("请先选择数据")).to_be_visible()
    type_in(page, "train-data", "/no/such/folder")
    expect(page.get_by_text("没有文件夹“/no/such/folder”")).to_be_visible()
    page.context.close()
