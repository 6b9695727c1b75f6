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

from ..data import ImageDataset, load_dataset
from ..draws import seeded_generator

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
NUM_FEATURES = 96
BATCH_SIZE = 128


class Classifier(nn.Module):
    """Four convolutions on uint8 images [N, C, H, W]; `features` [N, 96] are the pooled last maps."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()

        def convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

        self.layers = nn.Sequential(
            *convolution(channels, 32, 1),
            *convolution(32, 48, 2),
            *convolution(48, NUM_FEATURES, 2),
            *convolution(NUM_FEATURES, NUM_FEATURES, 1),
        )
        self.to_logits = nn.Linear(NUM_FEATURES, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [N, 96] and logits float32 [N, num_classes]."""
        features = self.layers(images.float() / 127.5 - 1).mean((2, 3))
        return features, self.to_logits(features)


def train_classifier(data: ImageDataset, epochs: int) -> Classifier:
    """Train with AdamW on a one-cycle schedule, with shifts by up to two pixels."""
    torch.manual_seed(0)
    classifier = Classifier(data.images.shape[1], len(data.class_names)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(data) // BATCH_SIZE
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps * epochs)
    for epoch in range(epochs):
        draw = seeded_generator(0, epoch, 5)
        for indices in torch.randperm(len(data), generator=draw).split(BATCH_SIZE)[:steps]:
            images, labels = data.batch(indices)
            shift_y, shift_x = torch.randint(-2, 3, (2,), generator=draw).tolist()
            _, logits = classifier(images.roll((shift_y, shift_x), (2, 3)))
            optimizer.zero_grad()
            functional.cross_entropy(logits, labels, label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {epochs}", flush=True)
    return classifier.eval()


@torch.inference_mode()
def accuracy(classifier: Classifier, data: ImageDataset) -> float:
    """Share of images, 0 to 1, whose class is found."""
    found = [classifier(images)[1].argmax(1) for images in data.images.split(1000)]
    return (torch.cat(found) == data.labels).float().mean().item()


def main() -> None:
    """Train, measure on the test split, and write weights and card."""
    parser = argparse.ArgumentParser(prog="python -m aigc_core.metrics.classifier", description="Train a classifier.")
    parser.add_argument("dataset")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    data = load_dataset(arguments.dataset)
    classifier = train_classifier(data, arguments.epochs)
    card = {
        "dataset": data.name,
        "data_licence": data.licence,
        "channels": data.images.shape[1],
        "num_classes": len(data.class_names),
        "test_accuracy": round(accuracy(classifier, load_dataset(arguments.dataset, "test")), 5),
        "command": f"python -m aigc_core.metrics.classifier {data.name} --epochs {arguments.epochs}",
    }
    WEIGHTS_FOLDER.mkdir(exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}
    save_file(weights, WEIGHTS_FOLDER / f"{data.name}.safetensors")
    (WEIGHTS_FOLDER / f"{data.name}.json").write_text(json.dumps(card, indent=2) + "\n")
    print(card)


if __name__ == "__main__":
    main()
