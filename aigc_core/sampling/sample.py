"""From a SampleRequest to images: seeds, labels, truncation and latent edits.

Image k of a request with seed s has seed s + k. Its latent (and, where no label is asked for, its class) is drawn
on the CPU from that seed alone, so the same seed is the same image in any batch and on any device.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from aigc_core.batching import batch_size
from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError

from .labels import join_entries, parse_labels, split_entries

if TYPE_CHECKING:
    from aigc_core.checkpoint.folder import Checkpoint

MAX_SEED = 2**32 - 1
MAX_COUNT = 65_536
BATCH_SIZE = 64


class SampleRequest(Config):
    """Everything that determines a set of images; see `canonical` for its text form.

    `labels`: empty for a class drawn from each image's seed, as often as the training data has it; otherwise classes
    by number or name, repeated over the images: "3", "Bag", "0,1,2"; a weighted mix of classes is "Bag:0.7+Coat:0.3"
    (see `labels`).
    `truncation`: 1 keeps the full variety, smaller values pull towards the average image.
    `offsets`: what is added after truncation, by coordinate ("z12") or by found direction ("pca0", "sefa3"), in
    standard deviations. With a W, coordinates are added before the mapping and directions to the styles.
    `mix_seed`, `mix_layer`: style mixing (Karras et al. 2019, section 3.1): layers from `mix_layer` on take the
    styles of seed `mix_seed`.
    """

    checkpoint: str = ""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    labels: str = Field(default="", max_length=10_000)
    truncation: float = Field(default=1.0, ge=0, le=1)
    offsets: dict[str, float] = {}
    mix_seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    mix_layer: int = Field(default=0, ge=0, le=100)

    @field_validator("offsets")
    @classmethod
    def _bounded_offsets(cls, offsets: dict[str, float]) -> dict[str, float]:
        if len(offsets) > 4096 or not all(abs(value) <= 100 for value in offsets.values()):
            raise ValueError("offsets must be numbers from -100 to 100")
        return {name: offsets[name] for name in sorted(offsets) if offsets[name]}

    def canonical(self) -> str:
        """The request as a query string, keys in a fixed order and defaults left out."""
        values = self.model_dump(exclude_defaults=True, exclude={"offsets"})
        pairs = list(values.items()) + [(f"offset.{name}", value) for name, value in self.offsets.items()]
        return urlencode(
            [(key, str(value).removesuffix(".0") if isinstance(value, float) else value) for key, value in pairs]
        )

    @classmethod
    def from_canonical(cls, text: str) -> SampleRequest:
        """The inverse of `canonical`. Raises AIGCError for unknown keys or values out of range."""
        fields: dict[str, object] = {}
        offsets: dict[str, str] = {}
        for key, value in parse_qsl(text.lstrip("?"), keep_blank_values=True):
            if key.startswith("offset."):
                offsets[key.removeprefix("offset.")] = value
            else:
                fields[key] = value
        if offsets:
            fields["offsets"] = offsets
        return parse_config(cls, fields, "Sample request")

    def seeds(self) -> list[int]:
        """The seed of each image: `seed`, `seed` + 1, … (wrapping at 2³²)."""
        return [(self.seed + k) % (MAX_SEED + 1) for k in range(self.count)]

    def parts(self, size: int) -> Iterator[SampleRequest]:
        """Requests of at most `size` images each that together make the same images."""
        entries = split_entries(self.labels)
        for start in range(0, self.count, size):
            turn = start % len(entries)
            yield self.model_copy(
                update={
                    "seed": (self.seed + start) % (MAX_SEED + 1),
                    "count": min(size, self.count - start),
                    "labels": join_entries([*entries[turn:], *entries[:turn]]),
                }
            )

    def singles(self) -> list[SampleRequest]:
        """The request of each image by itself: the same images, one a request."""
        entries = split_entries(self.labels)
        return [
            self.model_copy(update={"seed": seed, "count": 1, "labels": entries[k % len(entries)]})
            for k, seed in enumerate(self.seeds())
        ]


@dataclass(frozen=True)
class Samples:
    """images: uint8 [N, C, R, R]; labels: float32 [N, num_classes] class weights; seeds: one an image; and what made
    them."""

    images: Tensor
    labels: Tensor
    seeds: list[int]
    request: SampleRequest
    checkpoint: Checkpoint

    def save(self, out: str | Path) -> None:
        """Write PNG files with their provenance: a grid where `out` ends in .png, else `seed-….png` into a folder.

        Raises AIGCError when the disk is full or not writable.
        """
        from .provenance import save_png

        path, weights = Path(out), self.checkpoint.weights_sha256
        if path.suffix.lower() == ".png":
            save_png(path, image_grid(self.images, math.ceil(math.sqrt(len(self.images)))), self.request, weights)
            return
        for image, single in zip(self.images, self.request.singles()):
            save_png(path / f"seed-{single.seed}.png", image, single, weights)


def draw_latents(
    seeds: list[int], latent_dim: int, num_classes: int, class_shares: Sequence[float] = ()
) -> tuple[Tensor, Tensor]:
    """Latents float32 [N, latent_dim] and one-hot labels float32 [N, num_classes], each row from its seed alone.

    Classes are as frequent as `class_shares` says, and equally frequent without it.
    """
    latents = torch.empty(len(seeds), latent_dim)
    classes = torch.zeros(len(seeds), dtype=torch.int64)
    bounds = torch.tensor(class_shares).cumsum(0)[:-1]
    generator = torch.Generator()
    for seed, latent, label in zip(seeds, latents, classes):
        generator.manual_seed(seed)
        torch.randn(latent_dim, generator=generator, out=latent)
        if len(class_shares):
            label.copy_((bounds <= torch.rand((), generator=generator)).sum())
        elif num_classes:
            torch.randint(num_classes, (), generator=generator, out=label)
    labels = torch.zeros(len(seeds), num_classes)
    return latents, labels.scatter_(1, classes.unsqueeze(1), 1) if num_classes else labels


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] → uint8 of the same shape."""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def generate(generator: nn.Module, latents: Tensor, labels: Tensor, truncation: float = 1.0) -> Tensor:
    """Images float [N, C, R, R] in about [-1, 1] from latents [N, latent_dim] and labels, truncated."""
    return decode(generator, encode(generator, latents, labels, truncation), labels)


def has_styles(generator: nn.Module) -> bool:
    """Whether the generator has an intermediate latent space W."""
    return hasattr(generator, "mapping")


def encode(generator: Any, latents: Tensor, labels: Tensor, truncation: float = 1.0) -> Tensor:
    """Latents float32 [N, latent_dim] → the codes that images are drawn from, truncated.

    Codes are styles [N, num_layers, style_dim] where there is a W, pulled towards their mean (Karras et al. 2019,
    appendix B), and else latents [N, latent_dim], scaled, which lowers their temperature (Kingma & Dhariwal 2018,
    section 6).
    """
    if not has_styles(generator):
        return truncation * latents
    return torch.lerp(generator.style_mean, generator.mapping(latents, labels), truncation)


def decode(generator: Any, codes: Tensor, labels: Tensor) -> Tensor:
    """Images float [N, C, R, R] in about [-1, 1] from codes as `encode` returns them."""
    return generator.synthesis(codes) if has_styles(generator) else generator(codes, labels)


@torch.no_grad()
def request_codes(checkpoint: Checkpoint, request: SampleRequest) -> tuple[Tensor, Tensor]:
    """The codes of a request, with its truncation, offsets and mixing, and labels float32 [N, num_classes].

    Codes lie on the checkpoint's device, labels on the CPU. Raises AIGCError for classes, directions or layers
    that the model does not have.
    """
    generator: Any = checkpoint.generator
    device = next(generator.parameters()).device
    num_classes = checkpoint.config.image_shape.num_classes
    class_shares = checkpoint.config.class_shares
    latents, labels = draw_latents(request.seeds(), generator.latent_dim, num_classes, class_shares)
    if request.labels:
        entries = parse_labels(request.labels, checkpoint.config.class_names, num_classes)
        labels = entries[torch.arange(request.count) % len(entries)]
    z_offset, code_offset = _offsets(checkpoint, request.offsets)
    codes = _encode_all(generator, latents, labels, request.truncation, z_offset)
    if request.mix_seed is not None:
        if not has_styles(generator):
            raise AIGCError("This model has no styles to mix; style mixing needs a model such as 'style'.")
        if request.mix_layer >= codes.shape[1]:
            raise AIGCError(f"There is no layer {request.mix_layer} to mix from; layers are 0 to {codes.shape[1] - 1}.")
        latents, drawn = draw_latents([request.mix_seed], generator.latent_dim, num_classes, class_shares)
        mixed = labels if request.labels else drawn.expand(request.count, -1)
        mixed_codes = _encode_all(generator, latents.expand(request.count, -1), mixed, request.truncation, z_offset)
        codes[:, request.mix_layer :] = mixed_codes[:, request.mix_layer :]
    return codes + code_offset.to(device), labels


def _encode_all(generator: Any, latents: Tensor, labels: Tensor, truncation: float, z_offset: Tensor) -> Tensor:
    if not has_styles(generator):
        device = next(generator.parameters()).device
        return (truncation * latents + z_offset).to(device)
    device = generator.style_mean.device
    return torch.cat(
        [
            encode(generator, z.to(device), y.to(device), truncation)
            for z, y in zip((latents + z_offset).split(BATCH_SIZE), labels.split(BATCH_SIZE))
        ]
    )


def _offsets(checkpoint: Checkpoint, offsets: dict[str, float]) -> tuple[Tensor, Tensor]:
    """What a request's offsets add to latents [latent_dim] and, by found directions, to codes."""
    latent_dim: int = checkpoint.generator.latent_dim  # type: ignore[assignment]
    in_latents, in_codes = torch.zeros(latent_dim), torch.zeros(())
    for name, value in offsets.items():
        if (coordinate := re.fullmatch("z([0-9]{1,4})", name)) and int(coordinate.group(1)) < latent_dim:
            in_latents[int(coordinate.group(1))] += value
        else:
            from .directions import load_directions

            in_codes = in_codes + value * load_directions(checkpoint).step(name)
    return in_latents, in_codes


@torch.no_grad()
def render(checkpoint: Checkpoint, codes: Tensor, labels: Tensor) -> Tensor:
    """Images uint8 [N, C, R, R] on the CPU of codes, drawn in batches on the checkpoint's device."""
    generator = checkpoint.generator
    device = next(generator.parameters()).device

    def draw(codes: Tensor, labels: Tensor) -> Tensor:
        return to_uint8(decode(generator, codes.to(device), labels.to(device))).cpu()

    size = batch_size(generator, lambda count: draw(codes[:count], labels[:count]), min(BATCH_SIZE, len(codes)))
    return torch.cat([draw(*batch) for batch in zip(codes.split(size), labels.split(size))])


def sample(checkpoint: Checkpoint, request: SampleRequest) -> Samples:
    """The images of a request, on the CPU."""
    codes, labels = request_codes(checkpoint, request)
    return Samples(render(checkpoint, codes, labels), labels, request.seeds(), request, checkpoint)


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Images uint8 [N, C, R, S], row by row → one image uint8 [C, rows · R, columns · S]; empty places are black.

    Fewer images than columns make a grid as wide as they are.
    """
    count, channels, height, width = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    places = images.new_zeros(rows * columns, channels, height, width)
    places[:count] = images
    grid = places.view(rows, columns, channels, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)
