"""Small untrained checkpoints of several architectures, and one architecture with a W, registered from outside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.config import Config
from aigc_core.families.base import ModelSpec, families
from aigc_core.families.gan.generator import StyleGenerator
from aigc_core.families.gan.networks import Architecture, ImageShape, architectures, build_generator
from aigc_core.modalities.image import ImageModality
from aigc_core.pipeline import Checkpoint

CLASS_NAMES = ("Shirt", "Bag", "Coat")


class ToyStyleConfig(Config):
    """No settings."""


class ToyMapping(nn.Sequential):
    """latents [N, 6], labels [N, num_classes] → styles [N, 8]."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Linear(6 + num_classes, 8), nn.LeakyReLU(0.2), nn.Linear(8, 8))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return super().forward(torch.cat([latents, labels], dim=1))


class ToyStyleGenerator(StyleGenerator):
    """A mapping to 8-dimensional styles and three layers that each add what their style says to the image."""

    def __init__(self, config: ToyStyleConfig, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim, self.num_layers = 6, 3
        self.shape = (image_shape.channels, image_shape.resolution, image_shape.resolution)
        self.mapping_network = ToyMapping(image_shape.num_classes)
        self.layers = nn.ModuleList(nn.Linear(8, image_shape.channels * image_shape.resolution**2) for _ in range(3))
        self.register_buffer("style_mean", torch.full((8,), 0.25))

    def synthesis(self, styles: Tensor) -> Tensor:
        total = sum(layer(styles[:, index]) for index, layer in enumerate(self.layers))
        return torch.tanh(total).unflatten(1, self.shape)  # type: ignore[union-attr]

    def first_layers(self) -> list[Tensor]:
        return [layer.weight for layer in self.layers]  # type: ignore[misc]


architectures.register("toy-style", Architecture(ToyStyleConfig, ToyStyleGenerator, ToyStyleGenerator))

ARCHITECTURES: dict[str, tuple[dict, ImageShape]] = {
    "mlp": ({"latent_dim": 20}, ImageShape(channels=1, resolution=28)),
    "dcgan": (
        {"latent_dim": 24, "generator_width": 16, "max_width": 32},
        ImageShape(channels=1, resolution=28, num_classes=3),
    ),
    "resnet": (
        {"latent_dim": 16, "generator_width": 16, "generator_max_width": 32},
        ImageShape(channels=3, resolution=32, num_classes=3),
    ),
    "r3gan": (
        {"latent_dim": 16, "generator_width": 16, "max_width": 32},
        ImageShape(channels=3, resolution=32, num_classes=3),
    ),
    "style": (
        {"latent_dim": 16, "style_dim": 12, "generator_width": 16, "max_width": 32},
        ImageShape(channels=3, resolution=32, num_classes=3),
    ),
    "style-dcgan": (
        {"latent_dim": 16, "style_dim": 12, "generator_width": 16, "max_width": 32},
        ImageShape(channels=3, resolution=32, num_classes=3),
    ),
    "toy-style": ({}, ImageShape(channels=1, resolution=32, num_classes=3)),
}


def spec_of(architecture: str, config: dict, image_shape: ImageShape) -> ModelSpec:
    """What a model of images is built for."""
    kind = ImageModality(channels=image_shape.channels, resolution=image_shape.resolution)
    return ModelSpec(architecture, config, kind, image_shape.num_classes)


def toy_checkpoint(architecture: str = "dcgan") -> Checkpoint:
    """A checkpoint with random weights, large enough for its images to vary."""
    config, image_shape = ARCHITECTURES[architecture]
    class_names = CLASS_NAMES[: image_shape.num_classes]
    torch.manual_seed(0)
    generator = build_generator(architecture, config, image_shape).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        # Equalised layers call their weights `parameter` and scale them when they are used.
        if parameter.ndim > 1 and not name.endswith(".parameter"):
            nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)
    return Checkpoint(
        CheckpointConfig(
            architecture=architecture,
            architecture_config=config,
            shape={"channels": image_shape.channels, "resolution": image_shape.resolution},
            num_classes=image_shape.num_classes,
            class_names=class_names,
            dataset="toy",
        ),
        generator,
    )


def sounds_checkpoint(*class_names: str) -> Checkpoint:
    """An untrained VAE of sounds half a second long."""
    config = CheckpointConfig(
        family="vae",
        architecture="convolutional",
        architecture_config={"width": 4, "max_width": 8, "latent_dim": 4},
        modality="audio",
        shape={"bands": 32, "frames": 32},
        num_classes=len(class_names),
        class_names=class_names,
        dataset="none",
    )
    model = families["vae"].build_model(config.spec)
    return Checkpoint(config, model.eval())  # type: ignore[arg-type]  # it is one of this version
