"""The tab Write in a browser: texts grow, stop, go on, are coloured, and come back by their link."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import answering, free_port

ROOT = Path(__file__).parents[2]
OWN = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
LETTERS = "床前明月光疑是地上霜，"

MAKE = f"""
import json, torch
from aigc_core import Checkpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.families.base import families

def make(name, depth, classes=(), **shape):
    torch.manual_seed(0)
    config = CheckpointConfig(
        architecture="transformer", architecture_config=dict(depth=depth, width=16, heads=2), family="autoregressive",
        modality="text", shape=dict(vocabulary={LETTERS!r}, **shape), class_names=classes, num_classes=len(classes),
        dataset="none",
    )
    model = families[config.family].build_model(config.spec).eval().requires_grad_(False)
    torch.nn.init.normal_(model.to_logits.weight)
    for positive in (model.start, model.embedding.weight):
        torch.nn.init.uniform_(positive, 0.5, 1)
    model.to_logits.weight[0] = -2  # so that the end is all but never drawn
    Checkpoint(config, model).save_pretrained("runs/" + name)
    return Checkpoint.from_pretrained("runs/" + name)

make("long", 4, length=1000)
verses = make("verses", 1, ("quatrain", "song"), length=24, verse=True)
sampled = verses.sample(seed=7, count=2, prompt="明月", labels="song", acrostic="明光")
print(json.dumps(verses.modality.texts(sampled.stored)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("write")


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[str]:
    """What the core makes of a request."""
    command = [sys.executable, "-c", MAKE]
    done = subprocess.run(command, cwd=folder, env=os.environ | OWN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def address(folder: Path, expected: list[str]) -> Iterator[str]:
    port = free_port()
    own = OWN | {"GRADIO_TEMP_DIR": str(folder / "served")}
    start = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    server = subprocess.Popen(start, cwd=folder, env=os.environ | own)
    url = f"http://127.0.0.1:{port}/"
    with answering(server, url):
        yield url


def opened(browser: Browser, address: str, query: str) -> Page:
    """A page of a visitor of its own."""
    page = browser.new_context().new_page()
    page.set_default_timeout(90_000)
    page.goto(address + query)
    return page


def shown(page: Page) -> list[str]:
    return page.locator("#drafts pre").all_text_contents()


def finished(page: Page, count: int) -> list[str]:
    """The texts when they can be downloaded."""
    expect(page.locator("#drafts a")).to_have_count(count)
    return shown(page)


def test_a_link_is_written_again_and_goes_on_from_a_click(address: str, browser: Browser, expected: list[str]) -> None:
    page = opened(
        browser, address, "?checkpoint=runs/verses&seed=7&count=2&prompt=明月&labels=song&acrostic=明光&tab=write"
    )
    assert finished(page, 2) == expected
    expect(page.locator("button[role=tab][aria-selected=true]")).to_have_text("Write")
    expect(page.locator("#form input")).to_have_value("song")
    expect(page.get_by_label("Acrostic").last).to_have_value("明光")
    expect(page.locator("#drafts pre").first).to_have_css("writing-mode", "vertical-rl")
    link = page.locator("#write-link").locator("input, textarea").input_value()
    assert link.startswith(f"{address}?") and parse_qs(urlsplit(link).query)["tab"] == ["write"]
    with page.expect_download(timeout=60_000) as download:
        page.locator("#drafts a").nth(1).click()
    assert download.value.suggested_filename == "verses-seed-8.txt"
    assert Path(download.value.path()).read_text("utf-8") == expected[1] + "\n"

    token = page.locator("#drafts pre").first.locator("i").nth(2)
    expect(token).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    page.get_by_label("Colour by probability").check()
    expect(token).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")

    begun = expected[0][:5]  # the prompt and three tokens
    token.click()
    expect(page.locator("#beginning textarea")).to_have_value(begun)
    page.wait_for_function("prompt => new URLSearchParams(location.search).get('prompt') === prompt", arg=begun)
    expect(page.locator("#drafts .prompt").first).to_have_text(begun)
    other = finished(page, 2)
    assert other[0].startswith(begun) and other[0] != expected[0]
    fields = parse_qs(urlsplit(page.url).query)
    assert fields["seed"] != ["7"] and fields["labels"] == ["song"] and fields["tab"] == ["write"]
    assert finished(opened(browser, page.url, ""), 2) == other

    page.locator("#beginning textarea").fill("月亮")
    page.locator("#write").click()
    expect(page.get_by_text("The model has not learnt these characters: 亮")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == fields and shown(page) == other  # what failed takes no link's place

    page.locator("#beginning textarea").fill("")
    page.get_by_label("Acrostic").last.fill("床前明月光疑是地上霜" * 2)
    page.locator("#write").click()
    expect(page.get_by_text("2 of 2 texts end before all letters of the acrostic have their line")).to_be_visible()


def test_a_text_is_seen_to_grow_and_can_be_stopped(address: str, browser: Browser) -> None:
    page = opened(browser, address, "?checkpoint=runs/long&seed=1&count=1&tab=about")
    page.wait_for_function("window.studioShown && location.search.includes('checkpoint=')")
    # The page itself stops the text once it was seen to grow: a busy machine might ask too late.
    page.evaluate(
        """() => { window.lengths = []; new MutationObserver(() => {
          const length = document.querySelector('#drafts pre')?.textContent.length ?? 0;
          if (length > (window.lengths.at(-1) ?? 0)) window.lengths.push(length);
          if (window.lengths.length === 3) document.querySelector('#stop').click();
        }).observe(document.body, {childList: true, subtree: true, characterData: true}); }"""
    )
    page.get_by_role("tab", name="Write").click()
    page.wait_for_function("window.lengths.length >= 3")
    page.wait_for_timeout(1500)
    (stopped,) = shown(page)
    page.wait_for_timeout(1500)
    assert shown(page) == [stopped] and len(stopped) < 1000
    assert re.fullmatch(f"[{LETTERS}]+", stopped)
    expect(page.locator("#drafts a")).to_have_count(0)
    page.locator("#drafts [data-continue]").click()  # what was written so far is the prompt
    expect(page.locator("#beginning textarea")).to_have_value(stopped)


def test_an_address_that_names_a_tab_alone_opens_a_model_for_it(address: str, browser: Browser) -> None:
    page = opened(browser, address, "?tab=write")
    expect(page.locator("#drafts pre").first).not_to_be_empty()
    expect(page.locator("button[role=tab][aria-selected=true]")).to_have_text("Write")
    assert parse_qs(urlsplit(page.url).query)["checkpoint"] == ["checkpoints/poems"]
    page.get_by_role("tab", name="About this model").click()
    expect(page.locator("#about-preview")).to_contain_text("九年南北是孤山")
