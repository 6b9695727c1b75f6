"""The app with a model of sounds: a player and a spectrogram of each, and a link that brings them back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import soundfile
import torch
from playwright.sync_api import Browser, expect

from aigc_core.cli import main
from tests.processes import answering, free_port
from tests.toy_models import sounds_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an untrained model of two classes of short sounds lies."""
    folder = tmp_path_factory.mktemp("sounds")
    torch.manual_seed(0)
    sounds_checkpoint("kick", "snare").save_pretrained(folder / "runs" / "kit")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    port = free_port()
    own = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "served"), "PYTHONPATH": str(ROOT)}
    start = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    server = subprocess.Popen(start, cwd=folder, env=os.environ | own | {"OMP_NUM_THREADS": "1"})
    url = f"http://127.0.0.1:{port}/"
    with answering(server, url):
        yield url


def test_sounds_are_played_shown_and_carry_their_request(
    folder: Path, address: str, browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(f"{address}?checkpoint=runs/kit&seed=3&count=4&labels=snare")
    players, pictures = page.locator("#samples audio"), page.locator("#samples img")
    expect(players).to_have_count(4, timeout=60_000)
    expect(pictures).to_have_count(4)
    page.wait_for_function("[...document.querySelectorAll('#samples audio')].every(player => player.readyState > 0)")
    seconds = page.evaluate("[...document.querySelectorAll('#samples audio')].map(player => player.duration)")
    assert seconds == pytest.approx([32 * 256 / 16_000] * 4, abs=0.01)
    assert page.evaluate("[...document.querySelectorAll('#samples img')].every(image => image.naturalWidth == 32)")
    with page.expect_download() as download:
        page.locator("#samples a[download]").nth(1).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "kit-seed-4.wav"
    assert main(["inspect", str(file), "--checkpoint", str(folder / "runs" / "kit")]) == 0

    page.goto(f"{address}?checkpoint=checkpoints/drums&count=1&tab=about&__lang=zh")
    expect(page.locator("#about-facts")).to_contain_text("1.02 秒的声音", timeout=60_000)
    page.wait_for_function("document.querySelector('#about-preview audio')?.readyState > 0")
    expect(page.locator("#about-samples")).to_be_hidden()


def test_a_pad_of_classes_is_played_by_keys_and_space_plays_the_focused_player(address: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{address}?checkpoint=runs/kit&seed=3&count=16&labels=kick,snare")
    pads = page.locator("#samples .pad button")
    expect(pads).to_have_count(16)
    assert pads.all_inner_texts()[:2] == ["1\nkick", "2\nsnare"]
    page.wait_for_function("[...document.querySelectorAll('#samples audio')].every(player => player.readyState > 0)")
    page.evaluate(
        """window.played = [];
        document.querySelectorAll('#samples audio').forEach((player, place) =>
          player.addEventListener('play', () => window.played.push(place)))"""
    )
    for key in ("1", "w", "d", "v"):
        page.keyboard.press(key)
    pads.nth(7).click()
    page.wait_for_function("window.played.length == 5")
    assert page.evaluate("window.played") == [0, 5, 10, 15, 7]
    page.locator("#seed input").focus()
    page.keyboard.press("2")  # which is typed there
    page.locator("#samples audio").nth(2).focus()
    page.keyboard.press("Space")
    page.wait_for_function("window.played.length == 6")
    assert page.evaluate("window.played.at(-1)") == 2
    page.close()


def test_a_map_of_sounds_plays_what_is_clicked_and_the_way_between_two(address: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{address}?checkpoint=runs/kit&seed=3&count=1&tab=explore")
    expect(page.locator("#map button")).to_have_count(81)
    page.wait_for_function("document.querySelector('#chosen audio')?.readyState > 0")
    expect(page.locator("#explore-lead")).to_contain_text("The middle is your sound")
    middle = page.locator("#chosen audio").get_attribute("src")
    page.locator("#keep").click()
    expect(page.locator("#kept button")).to_have_count(1)
    page.locator("#map button").nth(0).click()
    expect(page.locator("#chosen audio")).not_to_have_attribute("src", middle or "")
    page.wait_for_function("document.querySelector('#chosen audio').played.length > 0")  # by itself
    page.locator("#keep").click()
    expect(page.locator("#kept button")).to_have_count(2)
    page.locator("#film").click()
    expect(page.locator("#way audio")).to_have_count(10)  # eight between the two
    page.wait_for_function("[...document.querySelectorAll('#way audio')].every(player => player.readyState > 0)")
    page.close()


def test_the_nearest_sound_to_an_upload_is_played_beside_it_and_explored(
    address: str, browser: Browser, tmp_path: Path
) -> None:
    wave = 0.3 * numpy.sin(2 * numpy.pi * 440 * numpy.arange(44_100) / 44_100)
    soundfile.write(tmp_path / "mine.wav", numpy.stack([wave, wave], 1), 44_100)
    (tmp_path / "broken.wav").write_bytes((tmp_path / "mine.wav").read_bytes()[:9000])
    page = browser.new_page()
    page.goto(f"{address}?checkpoint=runs/kit&seed=3&count=1&tab=invert")
    page.locator("#recording input[type=file]").set_input_files(tmp_path / "broken.wav")
    remove = page.locator("#recording").get_by_label("Clear")
    expect(remove).to_be_visible(timeout=60_000)
    page.locator("#search-sound").click()
    expect(page.locator(".toast-body")).to_contain_text("'broken.wav' is truncated")
    remove.click()
    page.locator("#recording input[type=file]").set_input_files(tmp_path / "mine.wav")
    expect(remove).to_be_visible()
    page.locator("#search-sound").click()
    for name in ("heard", "nearest-sound"):
        expect(page.locator(f"#{name} img")).to_be_visible(timeout=60_000)
    # The last of the search's states is on show.
    page.wait_for_function(
        "document.querySelector('#nearest-sound audio').src.includes('inverted-400')", timeout=120_000
    )
    players = "[...document.querySelectorAll('#heard audio, #nearest-sound audio')]"
    page.wait_for_function(f"{players}.length == 2 && {players}.every(player => player.readyState > 0)")
    assert page.evaluate(f"{players}.map(player => player.duration)") == pytest.approx([32 * 256 / 16_000, 1], abs=0.01)
    expect(page.locator("#upload")).to_be_hidden()
    page.locator("#invert-explore").click()
    expect(page.locator("#map button")).to_have_count(81, timeout=60_000)
    page.close()
