"""The small classifiers that ship as feature extractors, and their training:

python -m aigc_core.metrics.classifier mnist
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .classification import ImageClassifier, Recipe

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
PEAK_LEARNING_RATE = 0.1
MAX_SHIFT = 2
MIRRORED_DATASETS = {"fashion-mnist", "cifar10"}
"""Where a mirror image is of the same class."""


class Classifier(ImageClassifier):
    """Seven convolutions; the features [N, 4 · width] are the pooled last maps.

    The layout is that of airbench (Jordan 2024): a stem at full resolution, or with `stem_stride` 2 at half of it, then
    three pairs of convolutions, each pair at half the resolution and twice the channels of the one before.
    """

    def __init__(self, channels: int, num_classes: int, width: int, stem_stride: int = 1) -> None:
        super().__init__()

        def convolution(inputs: int, outputs: int, *pooling: nn.Module, stride: int = 1) -> list[nn.Module]:
            layer = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            return [layer, *pooling, nn.BatchNorm2d(outputs), nn.GELU()]

        layers = convolution(channels, width // 2, stride=stem_stride)
        for inputs, outputs in ((width // 2, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += convolution(inputs, outputs, nn.MaxPool2d(2)) + convolution(outputs, outputs)
        self.layers = nn.Sequential(*layers)
        self.to_logits = nn.Linear(4 * width, num_classes)

    def features(self, maps: Tensor) -> Tensor:
        return self.layers(maps).mean((2, 3))


def _varied(images: Tensor, draw: torch.Generator, mirrored: bool) -> Tensor:
    """Images uint8 [N, C, H, W], each shifted by up to two pixels and, if asked for, mirrored at random."""
    count, _, height, width = images.shape
    padded = functional.pad(images.float(), (MAX_SHIFT,) * 4, mode="reflect").to(torch.uint8)
    shifts = torch.randint(0, 2 * MAX_SHIFT + 1, (2, count, 1), generator=draw)
    rows, columns = torch.arange(height) + shifts[0], torch.arange(width) + shifts[1]
    if mirrored:
        columns = torch.where(torch.rand(count, 1, generator=draw) < 0.5, columns.flip(1), columns)
    picked = padded.permute(0, 2, 3, 1)[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


RECIPE = Recipe(
    "aigc_core.metrics.classifier",
    WEIGHTS_FOLDER,
    Classifier,
    width=32,
    epochs=10,
    seed=0,
    optimizer=partial(
        torch.optim.SGD, lr=PEAK_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
    ),
    vary=lambda dataset: partial(_varied, mirrored=dataset in MIRRORED_DATASETS),
)

if __name__ == "__main__":
    RECIPE.run()
