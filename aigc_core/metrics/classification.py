"""Training of the classifiers whose features images are measured by: what they are asked, the loop, and their card.

Where more is known of the images than their class, a classifier is taught that too, so that its features hold more than
tells the classes apart.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from aigc_core.data.dataset import UNKNOWN
from aigc_core.data.datasets import ImageDataset, load_attributes, load_dataset
from aigc_core.data.sounds import named_sounds
from aigc_core.modalities.as_images import load_as_images
from aigc_core.modalities.audio import AudioModality
from aigc_core.rng import seeded_generator

BATCH_SIZE = 128
LABEL_SMOOTHING = 0.1
Vary = Callable[[Tensor, torch.Generator], Tensor]


def load_maps(name: str, split: str) -> ImageDataset:
    """A split of images, or of sounds as spectrograms. Raises AIGCError where there is no such data."""
    if name in named_sounds:
        return load_as_images(AudioModality(bands=64, frames=64), name, split)
    return load_dataset(name, split)


class ImageClassifier(nn.Module):
    """uint8 images [N, C, H, W] → features float32 [N, F] and logits float32 [N, num_classes]."""

    to_logits: nn.Linear

    @abstractmethod
    def features(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] → [N, F]."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images.to(memory_format=torch.channels_last).float() / 127.5 - 1)
        return features, self.to_logits(features)


@dataclass(frozen=True)
class Questions:
    """What is asked of each image: its class first, then what else is known of it.

    `counts`: how many answers each question has. `answers` int64 [N, questions], UNKNOWN where one makes no sense.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    answers: Tensor

    @classmethod
    def of(cls, data: ImageDataset, split: str) -> Questions:
        """Those of a named set's split."""
        attributes = load_attributes(data.name, split)
        names, counts, answers = ["class"], [len(data.class_names)], data.labels[:, None]
        if attributes is not None:
            names += attributes.values
            counts += map(len, attributes.values.values())
            answers = torch.cat([answers, attributes.labels], 1)
        return cls(tuple(names), tuple(counts), answers)


class Pupil(nn.Module):
    """A classifier with answers to all questions; those beyond the class only serve its training."""

    def __init__(self, classifier: ImageClassifier, counts: tuple[int, ...]) -> None:
        super().__init__()
        self.classifier, self.counts = classifier, counts
        self.others = nn.Linear(classifier.to_logits.in_features, sum(counts[1:])) if len(counts) > 1 else None

    def forward(self, images: Tensor) -> list[Tensor]:
        """The logits [N, counts[q]] of each question."""
        features, logits = self.classifier(images)
        return [logits] if self.others is None else [logits, *self.others(features).split(self.counts[1:], 1)]


def question_loss(logits: list[Tensor], answers: Tensor) -> Tensor:
    """The cross-entropy of all questions that an image is asked, summed, and averaged over N images."""
    terms = (
        functional.cross_entropy(
            of_one, answers[:, number], ignore_index=UNKNOWN, label_smoothing=LABEL_SMOOTHING, reduction="sum"
        )
        for number, of_one in enumerate(logits)
    )
    return sum(terms, start=torch.zeros(())) / len(answers)


def train(
    pupil: Pupil,
    data: ImageDataset,
    questions: Questions,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    seed: int,
    vary: Vary,
) -> None:
    """Train for so many passes over the data on a one-cycle schedule, on images that `vary` changes at random."""
    steps = len(data) // BATCH_SIZE
    peaks = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peaks, total_steps=steps * epochs, pct_start=0.2, cycle_momentum=False
    )
    for epoch in range(epochs):
        draw = seeded_generator(seed, epoch, 5)
        order = torch.randperm(len(data), generator=draw).split(BATCH_SIZE)[:steps]
        for indices in tqdm(order, desc=f"epoch {epoch + 1} of {epochs}", mininterval=10):
            images, _ = data.batch(indices)
            loss = question_loss(pupil(vary(images, draw)), questions.answers[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    pupil.eval()


@torch.inference_mode()
def accuracies(pupil: Pupil, data: ImageDataset, questions: Questions) -> dict[str, float]:
    """By question, the share, 0 to 1, of the images that are asked it whose answer is found."""
    found = [torch.stack([of_one.argmax(1) for of_one in pupil(images)], 1) for images in data.images.split(500)]
    asked = questions.answers != UNKNOWN
    right = ((torch.cat(found) == questions.answers) & asked).sum(0) / asked.sum(0)
    return dict(zip(questions.names, right.tolist()))


@dataclass(frozen=True)
class Recipe:
    """How one kind of classifier is trained by the command `module`: into `folder`, with what the command's options are
    by default, and with `vary(dataset)` as what changes its images at random."""

    module: str
    folder: Path
    build: type[ImageClassifier]
    width: int
    epochs: int
    seed: int
    optimizer: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
    vary: Callable[[str], Vary]

    def run(self) -> None:
        """Train as the command line says, measure on the test split, and write weights and card."""
        parser = ArgumentParser(prog=f"python -m {self.module}", description="Train a classifier.")
        parser.add_argument("dataset")
        parser.add_argument("--width", type=int, default=self.width)
        parser.add_argument("--stem-stride", type=int, default=1)
        parser.add_argument("--epochs", type=int, default=self.epochs)
        arguments = parser.parse_args()
        data = load_maps(arguments.dataset, "train")
        questions = Questions.of(data, "train")
        torch.manual_seed(self.seed)
        settings = {"width": arguments.width, "stem_stride": arguments.stem_stride}
        classifier = self.build(data.images.shape[1], len(data.class_names), **settings)
        pupil = Pupil(classifier, questions.counts).to(memory_format=torch.channels_last)
        optimizer = self.optimizer(pupil.parameters())
        train(pupil, data, questions, optimizer, arguments.epochs, self.seed, self.vary(data.name))
        test = load_maps(arguments.dataset, "test")
        found = accuracies(pupil, test, Questions.of(test, "test"))
        stride = "" if arguments.stem_stride == 1 else f" --stem-stride {arguments.stem_stride}"
        command = f"{parser.prog} {data.name} --width {arguments.width}{stride} --epochs {arguments.epochs}"
        write_classifier(pupil, data, self.folder / f"{data.name}.safetensors", settings, found, command)


def write_classifier(
    pupil: Pupil, data: ImageDataset, path: Path, settings: dict[str, object], found: dict[str, float], command: str
) -> None:
    """Write the weights in half precision, and beside them a card: data, settings, accuracies and the command."""
    of_class, *others = found.values()
    card = {
        "dataset": data.name,
        "data_licence": data.licence,
        "channels": data.images.shape[1],
        "num_classes": len(data.class_names),
        **settings,
        "test_accuracy": round(of_class, 5),
    }
    if others:
        card["attributes"] = len(others)
        card["attribute_test_accuracy"] = round(sum(others) / len(others), 5)
    path.parent.mkdir(exist_ok=True)
    weights = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in pupil.classifier.state_dict().items()
    }
    save_file(weights, path)
    path.with_suffix(".json").write_text(json.dumps(card | {"command": command}, indent=2) + "\n")
    print(card, dict(found))
