"""The app as its users meet it: gradio_client over HTTP, and a real Chromium."""

import io
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from aigc_core import Checkpoint
from aigc_core.directions import load_directions
from aigc_core.provenance import read_png, to_picture

from .conftest import chromium, free_port

ROOT = Path(__file__).parents[1]
MODEL = "checkpoints/fashion-mnist"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running app."""
    port = free_port()
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            assert server.poll() is None, "the app ended while starting"
            try:
                urllib.request.urlopen(url, timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)


def generated(client: Client, *arguments: object) -> tuple[list[dict], str, str]:
    return client.predict(MODEL, *arguments, api_name="/generate")


def test_generate_gives_the_pixels_of_the_core(client: Client) -> None:
    gallery, archive, link = generated(client, 7, 3, "Bag,Sneaker", 0.8, 1.5, 0, 0, 0)
    checkpoint = Checkpoint.from_pretrained(ROOT / MODEL)
    strongest = load_directions(checkpoint).strongest(4)[0]
    expected = checkpoint.sample(seed=7, count=3, labels="Bag,Sneaker", truncation=0.8, offsets={strongest: 1.5})
    for item, image in zip(gallery, expected.images, strict=True):
        found, _ = read_png(Path(item["image"]))
        assert (found.int() - image.int()).abs().max() <= 1
    assert Path(archive).stat().st_size > 0
    assert link.startswith("?") and "seed=7" in link and f"offset.{strongest}=1.5" in link


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((-1, 1, "", 1, 0, 0, 0, 0), "-1 is less than minimum value 0"),
        ((1e30, 1, "", 1, 0, 0, 0, 0), "1e+30 is greater than maximum value"),
        ((0, 0, "", 1, 0, 0, 0, 0), "0 is less than minimum value 1"),
        ((0, 10**6, "", 1, 0, 0, 0, 0), "1000000 is greater than maximum value 64"),
        ((0, 1, "Spoon", 1, 0, 0, 0, 0), "no class 'Spoon'"),
    ],
)
def test_bad_input_gives_a_sentence(client: Client, arguments: tuple, sentence: str) -> None:
    with pytest.raises((AppError, ValueError)) as caught:
        generated(client, *arguments)
    assert sentence in str(caught.value) and "Traceback" not in str(caught.value)


def test_unknown_models_give_a_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="no checkpoint 'nowhere'"):
        client.predict("nowhere", 0, 1, "", 1, 0, 0, 0, 0, api_name="/generate")


def test_journey_is_a_movie(client: Client) -> None:
    import imageio.v3

    answer = client.predict(MODEL, 3, 2, "", 1, api_name="/journey")
    frames = imageio.v3.imread(answer["video"] if isinstance(answer, dict) else answer)
    assert len(frames) > 20 and frames.std() > 10


def test_inversion_finds_an_image_of_the_model(client: Client, tmp_path: Path) -> None:
    picture = to_picture(Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=5, count=1).images[0])
    picture.save(tmp_path / "seed-5.png")
    found, loss = client.predict(MODEL, handle_file(tmp_path / "seed-5.png"), api_name="/invert")
    assert float(loss.split("·")[1]) < 0.1
    with Image.open(found) as image:
        assert image.size == (252, 252)


def test_fifty_at_once(client: Client) -> None:
    with ThreadPoolExecutor(50) as pool:
        galleries = list(pool.map(lambda seed: generated(client, seed, 1, "", 1, 0, 0, 0, 0)[0], range(50)))
    expected = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=0, count=50).images
    for gallery, image in zip(galleries, expected, strict=True):
        assert (read_png(Path(gallery[0]["image"]))[0].int() - image.int()).abs().max() <= 1


def test_in_a_browser(address: str) -> None:
    """Opens, generates, changes with a slider, and a shared link brings the same pixels back."""

    def first_image(page) -> torch.Tensor:  # noqa: ANN001
        source = page.locator("#images img").first.get_attribute("src")
        content = page.request.get(source).body()
        with Image.open(io.BytesIO(content)) as picture:
            return torch.tensor(list(picture.convert("L").getdata()))

    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{address}?checkpoint={MODEL}&seed=11&count=2")
        page.wait_for_function("document.querySelectorAll('#images img').length >= 2", timeout=60_000)
        before = first_image(page)
        expected = Checkpoint.from_pretrained(ROOT / MODEL).sample(seed=11, count=1).images[0]
        shown = torch.tensor(list(to_picture(expected).getdata()))
        assert (before - shown).abs().max() <= 1
        strongest = load_directions(Checkpoint.from_pretrained(ROOT / MODEL)).strongest(4)[0]
        slider = page.get_by_label(strongest).first
        slider.fill("3")
        slider.press("Enter")
        page.wait_for_function(f"location.search.includes('offset.{strongest}=3')", timeout=60_000)
        after = first_image(page)
        assert not torch.equal(before, after)
        other = browser.new_page()
        other.goto(page.url)
        other.wait_for_function("document.querySelectorAll('#images img').length >= 2", timeout=60_000)
        assert torch.equal(first_image(other), after)
