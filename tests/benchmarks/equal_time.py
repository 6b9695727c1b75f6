"""Quality at equal time: the CPU presets against what people copy, each trained for the same seconds.

The other side of the 28 × 28 sets is the DCGAN of eriklindernoren/PyTorch-GAN with its networks and hyper-parameters,
in this project's training loop; that of CIFAR-10 is a plain conditional GAN of strided convolutions, trained for two
thirds of the preset's time.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.evaluation.results import Result
from aigc_core.families.gan.generator import Generator
from aigc_core.families.gan.networks import Architecture, ImageShape, architectures

from .report import print_table
from .trials import preset_recipe, real_against_real, trial


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


def cifar10_probe() -> dict[str, Any]:
    """4 × 4 strided convolutions, R1 with γ 0.1 every 16th step, non-saturating loss, and nothing else."""
    return {
        "data": "cifar10",
        "architecture": "dcgan",
        "architecture_config": {"generator_width": 64, "discriminator_width": 64, "max_width": 256},
        "method_config": {"r1": {"gamma": 0.1, "interval": 16}},
    }


def row(name: str, seconds: str, steps: str, result: Result, ratio: str) -> list[str]:
    shown = [
        str(result.figures.get(key, "–"))
        for key in ("fid", "is", "precision", "recall", "label_agreement", "mode_coverage")
    ]
    return [name, seconds, steps, *shown, ratio]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.equal_time", description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["fashion-mnist", "mnist", "cifar10"])
    parser.add_argument("--seconds", type=float, default=600, help="of training on 28 × 28; thrice that on CIFAR-10")
    arguments = parser.parse_args()
    rows = []
    for data in arguments.datasets:
        seconds = arguments.seconds * (3 if data == "cifar10" else 1)
        other_seconds = arguments.seconds * (2 if data == "cifar10" else 1)
        other_name, other = (
            ("plain conditional GAN", cifar10_probe())
            if data == "cifar10"
            else ("PyTorch-GAN's dcgan", pytorch_gan_recipe(data))
        )
        kept = f"equal-time-{seconds:g}"
        preset, ours = trial(f"{kept}/{data}", preset_recipe(data, f"seconds={seconds}"))
        theirs, against = trial(f"{kept}/{data}-other", other | {"seconds": other_seconds})
        real = real_against_real(data)
        for name, spent, steps, result in (
            ("preset", f"{seconds:.0f}", f"{preset.config.step:,}", ours),
            (other_name, f"{other_seconds:.0f}", f"{theirs.config.step:,}", against),
            ("training images", "–", "–", real),
        ):
            ratio = against.figures["fid"].value / result.figures["fid"].value
            rows.append(row(f"{data}: {name}", spent, steps, result, f"{ratio:.1f}"))
    header = ["what", "s", "steps", "FID", "IS", "precision", "recall", "label agreement", "classes", "FID lower by ×"]
    print_table("Quality at equal time: 10,000 samples against the test set, ± 95 % intervals", header, rows)


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
