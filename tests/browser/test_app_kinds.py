"""The app with families and kinds of samples from outside the package: texts, and images without latents."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from aigc_core.modalities.png import read_png
from tests.processes import answering, free_port

ROOT = Path(__file__).parents[2]
PLUGINS = {"AIGC_PLUGINS": "tests.toy_text,tests.toy_pixels", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
TEXT, PIXELS = "runs/poems", "runs/pixels"

# In a process of its own, as registering changes what other tests see.
MAKE = """
import json, torch
from aigc_core import Checkpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.families.base import families

def make(name, **values):
    torch.manual_seed(0)
    config = CheckpointConfig(architecture="toy", dataset="none", **values)
    model = families[config.family].build_model(config.spec).eval()
    Checkpoint(config, model).save_pretrained("runs/" + name)
    return Checkpoint.from_pretrained("runs/" + name)

letters = {"vocabulary": "abcdefgh 床前明月光<&", "length": 80}
poems = make("poems", family="toy-autoregressive", modality="toy-text", shape=letters)
pixels = make("pixels", family="toy-pixels", shape={"channels": 1, "resolution": 28})

def texts(**request):
    return poems.modality.texts(poems.sample(**request).stored)

print(json.dumps({
    "plain": texts(seed=7, count=3),
    "moved": texts(seed=7, count=3, temperature=0.3, prompt="明月"),
    "pixels": pixels.sample(seed=5, contrast=1.5, levels=3, tone="negative", mirrored=True).images[0].tolist(),
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict:
    """The models, and what the core makes of some requests."""
    environment = os.environ | PLUGINS
    done = subprocess.run(
        [sys.executable, "-c", MAKE], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def address(folder: Path, expected: dict) -> Iterator[str]:
    port = free_port()
    own = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "served")}
    start = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    server = subprocess.Popen(start, cwd=folder, env=os.environ | own | PLUGINS)
    url = f"http://127.0.0.1:{port}/"
    with answering(server, url):
        yield url


def opened(browser: Browser, address: str, query: str, **context: object) -> Page:
    """A page of a visitor of its own, when its samples are there."""
    page = browser.new_context(**context).new_page()  # type: ignore[arg-type]
    page.goto(address + query)
    page.wait_for_function("window.studioShown && location.search.includes('checkpoint=')", timeout=60_000)
    return page


def tabs(page: Page) -> list[str]:
    return page.locator("button[role=tab]:visible").all_inner_texts()


def test_texts_are_shown_moved_by_what_the_model_declares_and_brought_back_by_the_link(
    address: str, browser: Browser, expected: dict
) -> None:
    page = opened(browser, address, f"?checkpoint={TEXT}&seed=7&count=3&tab=explore")
    shown = page.locator("#samples pre")
    expect(shown).to_have_count(3)
    assert shown.all_text_contents() == expected["plain"]
    assert tabs(page) == ["Generate", "Train", "Learn", "Inspect", "About this model"] and "tab=explore" not in page.url
    for hidden in ("Truncation", "Classes", "Styles from seed"):
        expect(page.get_by_label(hidden)).to_have_count(0)
    expect(page.get_by_text("LATENT DIRECTIONS")).to_be_hidden()
    expect(page.get_by_role("button", name="Explore around")).to_be_hidden()
    page.locator("#prompt textarea").fill("明月")
    slider = page.get_by_label(re.compile("Temperature$")).first
    slider.fill("0.3")
    slider.press("Enter")
    page.wait_for_function(
        "location.search.includes('temperature=0.3&') || location.search.endsWith('temperature=0.3')"
    )
    expect(shown.first).to_have_text(expected["moved"][0])
    assert shown.all_text_contents() == expected["moved"]
    other = opened(browser, page.locator("#link textarea").input_value(), "")
    expect(other.locator("#samples pre").first).to_have_text(expected["moved"][0], timeout=60_000)
    with page.expect_download(timeout=60_000) as download:
        page.locator("#samples a").nth(1).click()
    assert download.value.suggested_filename == "poems-seed-8.txt"
    expect(page.locator("#history button").first).to_contain_text(expected["moved"][0].split()[0][:10])


def test_the_api_draws_texts_and_packs_them_with_what_they_say_of_themselves(client: Client, expected: dict) -> None:
    paths, _, link = client.predict(TEXT, 7, 3, prompt="明月", options="temperature=0.3", api_name="/generate")
    assert [Path(path).read_text("utf-8").rstrip("\n") for path in paths] == expected["moved"]
    assert link == "?checkpoint=runs%2Fpoems&seed=7&count=3&prompt=%E6%98%8E%E6%9C%88&temperature=0.3"
    archive = client.predict(link, api_name="/archive")
    with ZipFile(archive) as pack:
        files = [f"poems-seed-{seed}.txt" for seed in (7, 8, 9)]
        assert pack.namelist() == files + [f"{name}.json" for name in files] and Path(archive).name == "texts.zip"
    for wrong, sentence in (
        ({"options": "temperature=0"}, "'temperature' is wrong"),
        ({"options": "temperature"}, "An option is written as NAME=VALUE"),
        ({"truncation": 0.5}, "unknown key 'truncation'; known keys are temperature"),
        ({"direction_1": 1}, "no smooth latent space"),
        ({"prompt": "z"}, "has not learnt the characters z"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(TEXT, 7, 1, **wrong, api_name="/generate")


def test_every_type_of_option_has_a_control_and_images_need_no_latents(
    address: str, browser: Browser, client: Client, expected: dict
) -> None:
    page = opened(browser, address, f"?checkpoint={PIXELS}&seed=5&count=1&tab=invert")
    expect(page.locator("#images img")).to_have_count(1)
    assert tabs(page) == ["Generate", "Grid", "Train", "Learn", "Inspect", "About this model"]
    page.get_by_label("Symmetric").check()
    page.wait_for_function("location.search.includes('mirrored=True')")
    page.get_by_label("Grey levels").fill("3")
    page.get_by_label("Grey levels").press("Enter")
    page.wait_for_function("location.search.includes('levels=3')")
    page.get_by_label("Tone").click()
    page.get_by_role("option", name="negative").click()
    page.wait_for_function("location.search.includes('tone=negative')")
    slider = page.get_by_label(re.compile("Contrast$")).first
    slider.fill("1.5")
    slider.press("Enter")
    page.wait_for_function("location.search.includes('contrast=1.5')")
    expect(page.get_by_label("More options")).to_be_visible()
    paths, *_ = client.predict(
        PIXELS, 5, 1, options="contrast=1.5,levels=3,tone=negative,mirrored=True", api_name="/generate"
    )
    assert read_png(Path(paths[0]))[0].tolist() == expected["pixels"]
    expect(page.locator("#link textarea")).to_have_value(
        re.compile("contrast=1.5&levels=3&mirrored=True&tone=negative")
    )
    shared = opened(browser, page.url, "")
    expect(shared.get_by_label("Symmetric")).to_be_checked()
    expect(shared.get_by_label("Tone")).to_have_value("negative")


def test_a_tab_that_the_next_model_has_not_gives_way_to_generate(address: str, browser: Browser) -> None:
    page = opened(browser, address, "?checkpoint=checkpoints/mnist-mlp&seed=7&count=1&tab=explore")
    expect(page.locator("#map button")).to_have_count(81, timeout=60_000)
    assert tabs(page) == ["Generate", "Grid", "Explore", "Invert", "Train", "Learn", "Inspect", "About this model"]
    page.get_by_label("Model", exact=True).fill(TEXT)
    page.get_by_label("Model", exact=True).press("Enter")
    expect(page.locator("#samples pre")).to_have_count(1, timeout=60_000)
    assert tabs(page) == ["Generate", "Train", "Learn", "Inspect", "About this model"]
    page.get_by_label("Model", exact=True).fill("checkpoints/mnist-mlp")
    page.get_by_label("Model", exact=True).press("Enter")
    expect(page.locator("#images img")).to_have_count(1, timeout=60_000)
    assert tabs(page) == ["Generate", "Grid", "Explore", "Invert", "Train", "Learn", "Inspect", "About this model"]
