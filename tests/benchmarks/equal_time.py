"""Quality at equal time: the GAN presets against what people copy, each trained for the same seconds, under two judges.

    python -m tests.benchmarks.equal_time [RECIPE …] [--seconds 600] [--seeds 3] [--num-samples 10000] [--at-once 1]

The others are a plain conditional GAN of strided convolutions and, on 28 × 28, the DCGAN of eriklindernoren/PyTorch-GAN
with its networks and hyper-parameters, all in this project's training loop. The figures are means over training seeds
as in `families`; the second judge was never tuned on.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.families.gan.generator import Generator
from aigc_core.families.gan.networks import Architecture, ImageShape, architectures

from .report import print_table
from .trials import Run, add_options, mean_figure, preset_recipe, runs_of, title_of

FIGURES = ("precision", "recall", "label_agreement")
METRICS = ("fid", *FIGURES)


class NoConfig(Config):
    """The networks are as their authors wrote them."""


def _start_small(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class PlainGenerator(Generator):
    """Upsampling and 3 × 3 convolutions of 128, 64 and 1 channels; batch normalisation with an ε of 0.8."""

    def __init__(self, config: NoConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim, self.side = 100, image_shape.resolution // 4
        self.stem = nn.Linear(100, 128 * self.side**2)
        self.layers = nn.Sequential(
            *(nn.BatchNorm2d(128), nn.Upsample(scale_factor=2), nn.Conv2d(128, 128, 3, 1, 1)),
            *(nn.BatchNorm2d(128, 0.8), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, 1, 1)),
            *(nn.BatchNorm2d(64, 0.8), nn.LeakyReLU(0.2), nn.Conv2d(64, image_shape.channels, 3, 1, 1), nn.Tanh()),
        )
        self.apply(_start_small)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(self.stem(latents).view(-1, 128, self.side, self.side))

    def first_layers(self) -> list[Tensor]:
        return [self.stem.weight]


class PlainDiscriminator(nn.Module):
    """Strided 3 × 3 convolutions of 16 to 128 channels with dropout and batch normalisation."""

    def __init__(self, config: NoConfig, image_shape: ImageShape) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side = image_shape.resolution
        for inputs, outputs in ((image_shape.channels, 16), (16, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
            layers += [nn.BatchNorm2d(outputs, 0.8)] if inputs != image_shape.channels else []
            side = -(-side // 2)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * side**2, 1))
        self.apply(_start_small)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers(images).squeeze(1)


architectures.register("pytorch-gan-dcgan", Architecture(NoConfig, PlainGenerator, PlainDiscriminator))


def pytorch_gan_recipe(data: str) -> dict[str, Any]:
    """Adam at 2e-4 with β₁ 0.5, batches of 64, cross-entropy, no labels, no average of weights, no decay."""
    method = {"r1": None, "optimizer": {"learning_rate": 2e-4, "betas": (0.5, 0.999)}}
    return {
        "data": data,
        "conditional": False,
        "architecture": "pytorch-gan-dcgan",
        "method_config": method,
        "ema_half_life": 0,
    }


def plain_recipe(data: str) -> dict[str, Any]:
    """4 × 4 strided convolutions, R1 with γ 0.1 every 16th step, non-saturating loss, and nothing else."""
    return {
        "data": data,
        "architecture": "dcgan",
        "architecture_config": {"generator_width": 64, "discriminator_width": 64, "max_width": 256},
        "method_config": {"r1": {"gamma": 0.1, "interval": 16}},
    }


def contenders() -> dict[str, dict[str, Any]]:
    """All recipes by name; that of a data set's name is its preset."""
    found = {}
    for data in ("fashion-mnist", "mnist", "cifar10"):
        found |= {data: preset_recipe(data), f"{data}-plain": plain_recipe(data)}
        if data != "cifar10":
            found[f"{data}-pytorch-gan"] = pytorch_gan_recipe(data)
    return found


def mean_fid(runs: Sequence[Run], judge: int) -> float:
    return statistics.mean(run.results[judge].figures["fid"].value for run in runs)


def row(name: str, runs: Sequence[Run], preset: Sequence[Run]) -> list[str]:
    first, second = ([run.results[judge] for run in runs] for judge in (0, 1))
    return [
        name,
        f"{statistics.mean(run.steps for run in runs):,.0f}",
        *(mean_figure(first, "fid"), f"{mean_fid(runs, 0) / mean_fid(preset, 0):.2f}"),
        *(mean_figure(second, "fid"), f"{mean_fid(runs, 1) / mean_fid(preset, 1):.2f}"),
        *(mean_figure(first, name) for name in FIGURES),
    ]


def main() -> None:
    recipes = contenders()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.equal_time", description=__doc__)
    parser.add_argument("recipes", nargs="*", default=[*recipes], metavar="RECIPE", help=f"of {', '.join(recipes)}")
    add_options(parser)
    arguments = parser.parse_args()
    runs = runs_of({name: recipes[name] for name in arguments.recipes}, arguments, METRICS)
    rows = [row(name, of_recipe, runs.get(recipes[name]["data"], of_recipe)) for name, of_recipe in runs.items()]
    head = ["recipe", "steps", "FID", "× the preset's", "FID, second judge", "× the preset's"]
    print_table(title_of(arguments), [*head, "precision", "recall", "label agreement"], rows)


if __name__ == "__main__":
    main()
