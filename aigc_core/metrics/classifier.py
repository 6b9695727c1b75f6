"""The small classifiers that ship as feature extractors, and their training:

python -m aigc_core.metrics.classifier mnist
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from aigc_core.data.datasets import ImageDataset, load_dataset
from aigc_core.data.sounds import named_sounds
from aigc_core.modalities.as_images import load_as_images
from aigc_core.modalities.audio import AudioModality
from aigc_core.rng import seeded_generator

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
BATCH_SIZE = 128
PEAK_LEARNING_RATE = 0.1
MAX_SHIFT = 2
MIRRORED_DATASETS = {"fashion-mnist", "cifar10"}
"""Where a mirror image is of the same class."""


class Classifier(nn.Module):
    """Seven convolutions on uint8 images [N, C, H, W]; the features [N, 4 · width] are the pooled last maps.

    The layout is that of airbench (Jordan 2024): a stem at full resolution, then three pairs of convolutions, each
    pair at half the resolution and twice the channels of the one before.
    """

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()

        def convolution(inputs: int, outputs: int, *pooling: nn.Module) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), *pooling, nn.BatchNorm2d(outputs), nn.GELU()]

        layers = convolution(channels, width // 2)
        for inputs, outputs in ((width // 2, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += convolution(inputs, outputs, nn.MaxPool2d(2)) + convolution(outputs, outputs)
        self.layers = nn.Sequential(*layers)
        self.to_logits = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [N, 4 · width] and logits float32 [N, num_classes]."""
        maps = images.to(memory_format=torch.channels_last).float() / 127.5 - 1
        features = self.layers(maps).mean((2, 3))
        return features, self.to_logits(features)


def train_classifier(data: ImageDataset, width: int, epochs: int) -> Classifier:
    """Train by SGD with momentum on a one-cycle schedule, on shifted and, where the class allows, mirrored images."""
    torch.manual_seed(0)
    classifier = Classifier(data.images.shape[1], len(data.class_names), width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(data) // BATCH_SIZE
    optimizer = torch.optim.SGD(
        classifier.parameters(), PEAK_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=steps * epochs, pct_start=0.2, cycle_momentum=False
    )
    for epoch in range(epochs):
        draw = seeded_generator(0, epoch, 5)
        order = torch.randperm(len(data), generator=draw).split(BATCH_SIZE)[:steps]
        for indices in tqdm(order, desc=f"epoch {epoch + 1} of {epochs}", mininterval=10):
            images, labels = data.batch(indices)
            _, logits = classifier(_varied(images, data.name in MIRRORED_DATASETS, draw))
            optimizer.zero_grad()
            functional.cross_entropy(logits, labels, label_smoothing=0.1).backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


def _varied(images: Tensor, mirrored: bool, draw: torch.Generator) -> Tensor:
    """Images uint8 [N, C, H, W], each shifted by up to two pixels and, if asked for, mirrored at random."""
    count, _, height, width = images.shape
    padded = functional.pad(images.float(), (MAX_SHIFT,) * 4, mode="reflect").to(torch.uint8)
    shifts = torch.randint(0, 2 * MAX_SHIFT + 1, (2, count, 1), generator=draw)
    rows, columns = torch.arange(height) + shifts[0], torch.arange(width) + shifts[1]
    if mirrored:
        columns = torch.where(torch.rand(count, 1, generator=draw) < 0.5, columns.flip(1), columns)
    picked = padded.permute(0, 2, 3, 1)[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


@torch.inference_mode()
def accuracy(classifier: Classifier, data: ImageDataset) -> float:
    """Share of images, 0 to 1, whose class is found."""
    found = [classifier(images)[1].argmax(1) for images in data.images.split(1000)]
    return (torch.cat(found) == data.labels).float().mean().item()


def _load(name: str, split: str) -> ImageDataset:
    """A split of images, or of sounds as spectrograms."""
    if name in named_sounds:
        return load_as_images(AudioModality(bands=64, frames=64), name, split)
    return load_dataset(name, split)


def main() -> None:
    """Train, measure on the test split, and write weights and card."""
    parser = argparse.ArgumentParser(prog="python -m aigc_core.metrics.classifier", description="Train a classifier.")
    parser.add_argument("dataset")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    data = _load(arguments.dataset, "train")
    classifier = train_classifier(data, arguments.width, arguments.epochs)
    card = {
        "dataset": data.name,
        "data_licence": data.licence,
        "channels": data.images.shape[1],
        "num_classes": len(data.class_names),
        "width": arguments.width,
        "test_accuracy": round(accuracy(classifier, _load(arguments.dataset, "test")), 5),
        "command": (
            f"python -m aigc_core.metrics.classifier {data.name} --width {arguments.width} --epochs {arguments.epochs}"
        ),
    }
    WEIGHTS_FOLDER.mkdir(exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}
    save_file(weights, WEIGHTS_FOLDER / f"{data.name}.safetensors")
    (WEIGHTS_FOLDER / f"{data.name}.json").write_text(json.dumps(card, indent=2) + "\n")
    print(card)


if __name__ == "__main__":
    main()
