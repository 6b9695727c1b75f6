"""Images per second of this project's training step against the loop of the usual tutorials, with the same networks.

Each runs in a process of its own. The tutorials' loop has a DataLoader over single PIL images with transforms, NCHW
tensors, plain Adam, binary cross-entropy, gradients of the discriminator's weights in the generator's step too, and
reads the losses at every step. It has no moving average and no penalty; ours is measured with the moving average: in
two passes through the discriminator as the tutorials', in one, and in one with R1, as the preset folder has it.
Our networks compute in bfloat16 where training does: on a GPU, or if ACCELERATE_MIXED_PRECISION=bf16 is set.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from aigc_core.data.datasets import ImageDataset, load_dataset
from aigc_core.families.gan.networks import ImageShape, build_discriminator, build_generator
from aigc_core.training.loop import Run, mixed_precision
from aigc_core.training.recipe import TrainingConfig

from .report import interleaved, medians, print_table

BATCH_SIZE = 64
NETWORKS = {"generator_width": 32, "discriminator_width": 32}  # those of the preset folder


class PicturesOneByOne(torch.utils.data.Dataset):
    """A data set as torchvision gives it: a PIL image and its label, transformed when asked for."""

    def __init__(self, dataset: ImageDataset) -> None:
        from torchvision import transforms

        self.dataset = dataset
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.dataset.images[index, 0].numpy())
        return self.transform(picture), int(self.dataset.labels[index])


def tutorial_steps(dataset: ImageDataset) -> Iterator[None]:
    """The tutorials' loop, a step at a time."""
    device = Accelerator().device  # where ours trains too
    classes = len(dataset.class_names)
    image_shape = ImageShape(channels=1, resolution=28, num_classes=classes)
    generator = build_generator("dcgan", NETWORKS, image_shape).to(device)
    discriminator = build_discriminator("dcgan", NETWORKS, image_shape).to(device)
    criterion = nn.BCEWithLogitsLoss()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    while True:
        for batch in torch.utils.data.DataLoader(PicturesOneByOne(dataset), BATCH_SIZE, shuffle=True):
            images, labels = (part.to(device) for part in batch)
            one_hot = nn.functional.one_hot(labels, classes).float()
            real, fake = torch.ones(len(images), device=device), torch.zeros(len(images), device=device)
            discriminator_optimizer.zero_grad()
            real_loss = criterion(discriminator(images, one_hot), real)
            real_loss.backward()
            drawn = generator(torch.randn(len(images), 100, device=device), one_hot)
            fake_loss = criterion(discriminator(drawn.detach(), one_hot), fake)
            fake_loss.backward()
            discriminator_optimizer.step()
            generator_optimizer.zero_grad()
            generator_loss = criterion(discriminator(drawn, one_hot), real)
            generator_loss.backward()
            generator_optimizer.step()
            (real_loss + fake_loss).item(), generator_loss.item()
            yield


def our_steps(data: str, method: str, r1: dict[str, float] | None) -> Iterator[None]:
    """Ours, a step at a time."""
    config = TrainingConfig(
        data=data,
        architecture="dcgan",
        architecture_config=NETWORKS,
        method=method,
        method_config={"r1": r1},
        batch_size=BATCH_SIZE,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, Path(folder), Accelerator(mixed_precision=mixed_precision()), resume=False)
        while True:
            run._train_step()
            yield


def serve(asked: Connection, data: str, *recipe: Any) -> None:
    """Take as many steps as are asked for, again and again, of ours or, without a recipe, of the tutorials' loop."""
    steps = our_steps(data, *recipe) if recipe else tutorial_steps(load_dataset(data))
    while count := asked.recv():
        for _ in range(count):
            next(steps)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        asked.send(None)


@contextmanager
def in_a_process(*arguments: Any) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes steps in a process of its own and returns when they are done."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, *arguments))
    process.start()

    def take(count: int) -> None:
        here.send(count)
        here.recv()

    yield take
    here.send(0)
    process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=16, help="steps in a round")
    arguments = parser.parse_args()
    precision = {"bf16": "bfloat16", "fp16": "float16"}.get(mixed_precision(), "float32")
    rows = []
    for name, *recipe in (
        ("two passes, no penalty", "adversarial", None),
        ("one pass, no penalty", "one_stage", None),
        ("one pass, R1 every 16th step", "one_stage", {"gamma": 1.0, "interval": 16}),
    ):
        with in_a_process(arguments.data) as tutorial, in_a_process(arguments.data, *recipe) as ours:
            rounds = interleaved(
                partial(tutorial, arguments.steps), partial(ours, arguments.steps), arguments.rounds + 1
            )
        theirs, own, ratio = medians(rounds[1:])  # the first is for warming up
        images = BATCH_SIZE * arguments.steps
        rows.append([f"{precision}, {name}", f"{images / theirs:.0f}", f"{images / own:.0f}", f"{ratio:.2f}×"])
    print_table(
        f"Training step of `dcgan` on {arguments.data}, batches of {BATCH_SIZE}",
        ["ours", "tutorials' loop, images/s", "ours, images/s", "ours / theirs"],
        rows,
    )


if __name__ == "__main__":
    main()
