"""The second judges, classifiers that only report: no setting is ever tuned on them. Their training:

python -m aigc_core.metrics.second_judge mnist

A model tuned on the features of one classifier wins by that one. A second judge therefore has another architecture
(`ResidualClassifier`), seed, optimiser and augmentation (turned, scaled and partly hidden images) than the classifier
of `aigc_core.metrics.classifier`.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .classification import ImageClassifier, Recipe

WEIGHTS_FOLDER = Path(__file__).parent / "weights" / "second_judges"
SEED = 1
PEAK_LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
MAX_TURN = math.radians(10)
MAX_SCALING = 0.1
HIDDEN_SIDE = 0.3
"""The side of the square that is hidden, as a share of the image's."""


class ResidualBlock(nn.Module):
    """x + W₂ f(n(W₁ f(n(x)))) with f the rectifier and n batch normalisation (pre-activation, He et al. 2016b).

    With another width out than in, the resolution is halved, and the shortcut is a convolution of the activated input.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.convolution1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.convolution2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        active = functional.relu(self.norm1(maps))
        hidden = self.convolution2(functional.relu(self.norm2(self.convolution1(active))))
        return hidden + (maps if self.shortcut is None else self.shortcut(active))


class ResidualClassifier(ImageClassifier):
    """A stem and five residual blocks at three resolutions; the features [N, 4 · width] are the pooled last maps."""

    def __init__(self, channels: int, num_classes: int, width: int, stem_stride: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 2 * stem_stride + 1, stem_stride, padding=stem_stride, bias=False)
        widths = (width, width, 2 * width, 2 * width, 4 * width, 4 * width)
        self.blocks = nn.Sequential(*map(ResidualBlock, widths, widths[1:]))
        self.norm = nn.BatchNorm2d(4 * width)
        self.to_logits = nn.Linear(4 * width, num_classes)

    def features(self, maps: Tensor) -> Tensor:
        return functional.relu(self.norm(self.blocks(self.stem(maps)))).mean((2, 3))


def _varied(images: Tensor, draw: torch.Generator) -> Tensor:
    """Images uint8 [N, C, H, W], each turned by up to 10°, scaled by up to a tenth, and black in a square."""
    count, _, height, width = images.shape
    turns, scalings, rows, columns = torch.rand(4, count, 1, 1, generator=draw)
    angle, scale = MAX_TURN * (2 * turns - 1), 1 + MAX_SCALING * (2 * scalings - 1)
    cosine, sine, nothing = angle.cos() / scale, angle.sin() / scale, torch.zeros_like(angle)
    moves = torch.cat([torch.cat([cosine, -sine, nothing], 2), torch.cat([sine, cosine, nothing], 2)], 1)
    grid = functional.affine_grid(moves, list(images.shape), align_corners=False)
    turned = functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    down, across = torch.arange(height).view(1, -1, 1) / height, torch.arange(width).view(1, 1, -1) / width
    hidden = (down >= rows * 1.2 - 0.25) & (down < rows * 1.2 - 0.25 + HIDDEN_SIDE)
    hidden = hidden & (across >= columns * 1.2 - 0.25) & (across < columns * 1.2 - 0.25 + HIDDEN_SIDE)
    return turned.masked_fill(hidden[:, None], 0).round().byte()


RECIPE = Recipe(
    "aigc_core.metrics.second_judge",
    WEIGHTS_FOLDER,
    ResidualClassifier,
    width=16,
    epochs=5,
    seed=SEED,
    optimizer=partial(torch.optim.AdamW, lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True),
    vary=lambda _: _varied,
)

if __name__ == "__main__":
    RECIPE.run()
