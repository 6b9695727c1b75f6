"""The tab Learn in a browser: each lesson is guessed at, seen and played with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from aigc_core.demo.lessons import lessons_in_order
from aigc_core.translation import translate
from tests.processes import ROOT, answering, free_port


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("learn")
    port = free_port()
    own = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "served"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    server = subprocess.Popen(words, cwd=folder, env=os.environ | own | {"AIGC_CACHE": str(Path(folder) / "cache")})
    url = f"http://127.0.0.1:{port}/"
    with answering(server, url):
        yield url


def guess(page: Page, *answers: int) -> None:
    buttons = page.locator("#guess .answers:not(.told) button")
    for answer in answers:
        buttons.nth(answer).click()
        expect(buttons.nth(answer)).to_have_attribute("aria-pressed", "true")
    page.locator("#see").click()
    expect(page.locator("#verdict p")).to_have_count(2)


def test_every_lesson_is_guessed_at_and_then_seen(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}?tab=learn")
    for lesson in lessons_in_order():
        page.get_by_role("radio", name=lesson.title).click()
        expect(page.locator("#guess p").first).to_have_text(lesson.question)
        expect(page.locator("#verdict p")).to_have_count(0)
        expect(page.locator("#seen")).not_to_be_visible()
        if not lesson.pictures(1):  # one answer at most is chosen
            page.locator("#guess button").first.click()
        guess(page, 1)
        if not lesson.pictures(1):
            expect(page.locator("#guess [aria-pressed=true]")).to_have_count(1)
        expect(page.locator("#verdict p").last).to_have_text(lesson.conclusion)
        seen = page.locator("#seen > .prose, #seen").first
        expect(seen.locator("svg, img").first).to_be_visible()
        if lesson.dial:
            shown = seen.inner_html()
            dial = page.locator("#dial input[type=range]")
            expect(dial).to_have_value(str(lesson.first_stop))
            dial.fill(str(lesson.stops - 1 if lesson.first_stop == 0 else 0))
            page.wait_for_function("shown => document.querySelector('#seen').innerHTML !== shown", arg=shown)
        assert f"lesson={lesson.name}" in page.url
    page.close()


def test_a_lesson_is_linked_to_in_the_readers_language_and_fits_a_phone(browser: Browser, address: str) -> None:
    page = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844}).new_page()
    page.goto(f"{address}?tab=learn&lesson=discriminator")
    expect(page.locator("#guess p").first).to_contain_text("数字")
    page.locator("#see").click()
    expect(page.get_by_text(translate("Choose an answer first.", "zh"))).to_be_visible()
    guess(page, 0, 5, 15)
    expect(page.locator("#verdict p").first).to_contain_text("判别器")
    expect(page.locator("#seen .scored")).to_have_count(16)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    before = page.locator("#guess img").first.get_attribute("src")
    page.locator("#again").click()
    expect(page.locator("#guess img").first).not_to_have_attribute("src", str(before))
    expect(page.locator("#seen")).not_to_be_visible()
    page.context.close()
