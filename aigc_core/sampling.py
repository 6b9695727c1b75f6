"""From a SampleRequest to images: seeds, labels, truncation and latent edits.

Image k of a request with seed s has seed s + k. Its latent (and, where no label is asked for, its class) is drawn
on the CPU from that seed alone, so the same seed is the same image in any batch and on any device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from .config import Config, parse_config
from .errors import AIGCError

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

MAX_SEED = 2**32 - 1
MAX_COUNT = 65_536
BATCH_SIZE = 64


class SampleRequest(Config):
    """Everything that determines a set of images; see `canonical` for its text form.

    `labels`: empty for a class drawn from each image's seed; otherwise classes by number or name, repeated over
    the images: "3", "Bag", "0,1,2"; a weighted mix of classes is "Bag:0.7+Coat:0.3".
    `truncation`: 1 keeps the full variety, smaller values pull towards the average image.
    `offsets`: what is added to the latent, by coordinate ("z12") or by found direction ("pca0", "sefa3"), in
    standard deviations.
    `mix_seed`, `mix_layer`: style mixing: layers from `mix_layer` on take the styles of seed `mix_seed`.
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
        return urlencode([(key, f"{value:.9g}" if isinstance(value, float) else value) for key, value in pairs])

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


@dataclass(frozen=True)
class Samples:
    """images: uint8 [N, C, R, R]; labels: float32 [N, num_classes] class weights; seeds: one an image."""

    images: Tensor
    labels: Tensor
    seeds: list[int]


def draw_latents(seeds: list[int], latent_dim: int, num_classes: int) -> tuple[Tensor, Tensor]:
    """Latents float32 [N, latent_dim] and one-hot labels float32 [N, num_classes], each row from its seed alone."""
    latents = torch.empty(len(seeds), latent_dim)
    labels = torch.zeros(len(seeds), num_classes)
    generator = torch.Generator()
    for row, seed in enumerate(seeds):
        generator.manual_seed(seed)
        latents[row] = torch.randn(latent_dim, generator=generator)
        if num_classes:
            labels[row, torch.randint(num_classes, (), generator=generator)] = 1
    return latents, labels


def request_seeds(request: SampleRequest) -> list[int]:
    """The seed of each image: `seed`, `seed` + 1, … (wrapping at 2³²)."""
    return [(request.seed + k) % (MAX_SEED + 1) for k in range(request.count)]


def parse_labels(text: str, class_names: tuple[str, ...], num_classes: int) -> Tensor:
    """Class weights float32 [number of entries, num_classes] of a request's `labels`.

    Raises AIGCError for a class that does not exist or weights that do not sum to something positive.
    """
    if not num_classes:
        raise AIGCError("This model has no classes; leave the label empty.")
    by_name = {name.casefold(): label for label, name in enumerate(class_names)}
    rows = torch.zeros(text.count(",") + 1, num_classes)
    for row, entry in zip(rows, text.split(",")):
        for part in entry.split("+"):
            name, _, weight = part.strip().rpartition(":") if ":" in part else (part.strip(), "", "1")
            label = by_name.get(name.casefold(), int(name) if name.isascii() and name.isdigit() else -1)
            if not 0 <= label < num_classes:
                known = ", ".join(class_names) or f"0 to {num_classes - 1}"
                raise AIGCError(f"There is no class '{name}'; the classes are {known}.")
            try:
                row[label] += float(weight)
            except ValueError:
                raise AIGCError(f"'{weight}' is not a weight; write a mix as 0:0.7+3:0.3.") from None
        if not (torch.isfinite(row).all() and (row >= 0).all() and row.sum() > 0):
            raise AIGCError(f"The weights of '{entry}' must be positive numbers.")
    return rows / rows.sum(1, keepdim=True)


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] → uint8 of the same shape."""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def generate(generator: nn.Module, latents: Tensor, labels: Tensor, truncation: float = 1.0) -> Tensor:
    """Images float [N, C, R, R] in [-1, 1] from latents and labels, truncated in W where there is a W, else in Z.

    In W as in Karras et al. 2019, section B; in Z the latent is scaled, which lowers its temperature (Kingma &
    Dhariwal 2018, section 6).
    """
    if not hasattr(generator, "mapping"):
        return generator(truncation * latents, labels)
    styles = generator.mapping(latents, labels)  # type: ignore[operator]
    return generator.synthesis(torch.lerp(generator.style_mean, styles, truncation))  # type: ignore[operator]


def resolve_inputs(checkpoint: Checkpoint, request: SampleRequest) -> tuple[Tensor, Tensor]:
    """The latents float32 [N, latent_dim] (offsets added) and labels float32 [N, num_classes] of a request."""
    num_classes = checkpoint.config.image_shape.num_classes
    latents, labels = draw_latents(request_seeds(request), checkpoint.generator.latent_dim, num_classes)  # type: ignore[arg-type]
    if request.labels:
        entries = parse_labels(request.labels, checkpoint.config.class_names, num_classes)
        labels = entries[torch.arange(request.count) % len(entries)]
    for name, value in request.offsets.items():
        coordinate = name.removeprefix("z")
        if not (coordinate.isascii() and coordinate.isdigit() and int(coordinate) < latents.shape[1]):
            raise AIGCError(f"There is no latent direction '{name}'; coordinates are z0 to z{latents.shape[1] - 1}.")
        latents[:, int(coordinate)] += value
    return latents, labels


@torch.inference_mode()
def sample(checkpoint: Checkpoint, request: SampleRequest) -> Samples:
    """The images of a request, generated in batches on the checkpoint's device and returned on the CPU."""
    device = next(checkpoint.generator.parameters()).device
    latents, labels = resolve_inputs(checkpoint, request)
    images = [
        to_uint8(generate(checkpoint.generator, z.to(device), y.to(device), request.truncation)).cpu()
        for z, y in zip(latents.split(BATCH_SIZE), labels.split(BATCH_SIZE))
    ]
    return Samples(torch.cat(images), labels, request_seeds(request))


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
