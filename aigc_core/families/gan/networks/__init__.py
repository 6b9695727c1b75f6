"""The registry of architectures: a generator, a discriminator and their config under one name.

Every module in this package registers itself when imported, so adding an architecture is adding a file; code
outside the package calls `architectures.register` in the same way.

The contract all architectures keep:

- The generator is a `Generator`, or a `StyleGenerator` where it has an intermediate latent space W (see
  `aigc_core.families.gan.generator`).
- `discriminator(images, labels)`: images as above → logits [N]; what it can do beyond that it declares by inheriting
  from the classes of `aigc_core.families.gan.discriminator`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from torch import nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.families.base import ModelSpec, square_map
from aigc_core.families.gan.generator import Generator
from aigc_core.modalities.image import Channels, Resolution
from aigc_core.registry import Registry


class ImageShape(Config):
    """What a model draws: `channels` × `resolution` × `resolution` pixels of one of `num_classes` classes.

    `num_classes` 0 means unconditional.
    """

    channels: Channels
    resolution: Resolution
    num_classes: int = Field(default=0, ge=0, le=10_000)

    @property
    def stem_resolution(self) -> int:
        """The side of the first feature map: 7 for 28 pixels, 4 for powers of two."""
        return 7 if self.resolution == 28 else 4

    @property
    def doublings(self) -> int:
        """How many ×2 upsamplings lead from `stem_resolution` to `resolution`."""
        return (self.resolution // self.stem_resolution).bit_length() - 1


def image_shape_of(spec: ModelSpec) -> ImageShape:
    """What networks are built for. Raises AIGCError if samples are no square maps."""
    channels, resolution = square_map(spec.modality)
    return ImageShape(channels=channels, resolution=resolution, num_classes=spec.num_classes)


NetworkBuilder = Callable[[Any, ImageShape], nn.Module]


@dataclass(frozen=True)
class Architecture:
    """One architecture; the builders take (config, image_shape)."""

    config: type[Config]
    generator: Callable[[Any, ImageShape], Generator]
    discriminator: NetworkBuilder


architectures: Registry[Architecture] = Registry("architecture", __name__)


def build_generator(name: str, config: dict[str, Any], image_shape: ImageShape) -> Generator:
    """A generator with fresh weights. Raises AIGCError for an unknown name or a config that does not fit."""
    architecture = architectures[name]
    parsed = parse_config(architecture.config, config, SETTINGS, "architecture_config")
    return architecture.generator(parsed, image_shape)


def build_discriminator(name: str, config: dict[str, Any], image_shape: ImageShape) -> nn.Module:
    """A discriminator with fresh weights. Raises AIGCError as `build_generator` does."""
    architecture = architectures[name]
    parsed = parse_config(architecture.config, config, SETTINGS, "architecture_config")
    return architecture.discriminator(parsed, image_shape)
