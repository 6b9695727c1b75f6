"""The assembled demo in an environment made from its own requirements, started as Spaces starts it.

The environment is made anew, with the versions that the Space pins, on the Python at hand: torch alone is several GB,
but installing all of it takes one to two minutes, so nothing is borrowed from the environment of the tests.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from tests.processes import free_port
from tests.spaces_folders import assemble, card

PORT = 7860


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The assembled Space and the Python of its environment."""
    parent = tmp_path_factory.mktemp("demo")
    folder = assemble("demo", parent / "app")
    python = parent / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(parent / "venv")], check=True)
    # What Spaces installs beside requirements.txt: Gradio with sign-in, and the package `spaces`.
    gradio = f"gradio[oauth]=={card(folder)['sdk_version']}"
    words = [python, "-m", "pip", "install", "-q", "--no-compile", "-r", folder / "requirements.txt", gradio, "spaces"]
    subprocess.run(words, check=True)
    yield folder, python
    shutil.rmtree(parent)


@contextmanager
def running(folder: Path, python: Path, home: Path) -> Iterator[str]:
    """The app's address while it runs on Spaces' port, or another where that one is in use."""
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", PORT)) == 0
        probe.close()
    port = free_port() if taken else PORT
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADIO_", "HF_", "PYTHON"))}
    own = {"HOME": str(home), "SPACE_ID": "ada/studio", "SYSTEM": "spaces", "GRADIO_SERVER_NAME": "0.0.0.0"}
    if taken:
        own["GRADIO_SERVER_PORT"] = str(port)
    process = subprocess.Popen(
        [python, "app.py"], cwd=folder, env=kept | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            assert process.poll() is None, process.stdout.read().decode()  # type: ignore[union-attr]
            try:
                urlopen(address, timeout=5)
                break
            except (URLError, OSError):
                time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def contents(folder: Path) -> dict[Path, bytes]:
    """The files of the source, which running must leave as they are (bytecode aside)."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("package", ["with the package spaces", "without it"])
def test_the_space_generates_an_image(demo, tmp_path, package):
    folder, python = demo
    if package == "without it":
        subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "spaces"], check=True)
    before = contents(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with running(folder, python, tmp_path) as address:
        client = Client(address, verbose=False, download_files=str(tmp_path / "down"))
        paths, *_ = client.predict("checkpoints/mnist", 7, 4, "3", api_name="/generate")
        movie = client.predict("checkpoints/mnist", 7, 2, "3", api_name="/interpolate")
        nearest, *_ = client.predict("checkpoints/mnist", handle_file(paths[0]), api_name="/invert")
    assert Path(movie).stat().st_size > 1000 and Image.open(nearest).size == (28, 28)
    pictures = [np.asarray(Image.open(path)) for path in paths]
    assert len(pictures) == 4 and all(picture.shape[:2] == (28, 28) and picture.std() > 10 for picture in pictures)
    assert contents(folder) == before
