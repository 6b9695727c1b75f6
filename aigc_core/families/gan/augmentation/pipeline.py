"""The whole augmentation pipeline of ADA (Karras et al. 2020a, appendix B), but for its filters and its noise.

Each image is flipped, turned and moved by whole pixels; scaled, turned and moved by any amount; recoloured; and cut out
of, every transformation by itself with a probability. Its random numbers are drawn on the CPU, and so are the matrices
made there, in [x, y, 1] in pixels around the image's centre and in [red, green, blue, 1].
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from aigc_core.config import Config
from aigc_core.families.base import StepState
from aigc_core.families.schedule import ShareSchedule, value_at
from aigc_core.rng import to_device

from . import Augmentation, register
from .interpolation import interpolate_in_black

# The low-pass filter of the symlet of 6 vanishing moments (Daubechies 1992, table 8.3), with which the paper resamples.
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
MARGIN = len(SYM6) // 4
"""How many pixels beyond the border the filter reaches."""


class PipelineConfig(Config):
    """`strength`: what all probabilities are multiplied by. `geometry`, `colour`, `cutout`: the probability of each
    transformation of that group at strength 1."""

    strength: ShareSchedule = 1.0
    geometry: float = Field(default=1.0, ge=0, le=1)
    colour: float = Field(default=1.0, ge=0, le=1)
    cutout: float = Field(default=0.0, ge=0, le=1)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """[N], [N] → [N, 3, 3]."""
    return _stack([[1, 0, x], [0, 1, y], [0, 0, 1]])


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """[N], [N] → [N, 3, 3]."""
    return _stack([[x, 0, 0], [0, y, 0], [0, 0, 1]])


def rotation(angle: Tensor) -> Tensor:
    """[N] in radians, from x towards y → [N, 3, 3]."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return _stack([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _stack(rows: list[list[Tensor | float]]) -> Tensor:
    """Rows of vectors [N] and constants → [N, rows, columns]."""
    like = next(entry for row in rows for entry in row if isinstance(entry, Tensor))
    columns = [[e if isinstance(e, Tensor) else torch.full_like(like, e) for e in row] for row in rows]
    return torch.stack([torch.stack(row, -1) for row in columns], -2)


class Randomness:
    """Random numbers of one batch: of N images, each chooses a transformation with a probability."""

    def __init__(self, count: int, strength: float, generator: torch.Generator) -> None:
        self.count, self.strength, self.generator = count, strength, generator

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1): [N, *shape]."""
        return torch.rand(self.count, *shape, generator=self.generator)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal: [N, *shape]."""
        return torch.randn(self.count, *shape, generator=self.generator)

    def choose(self, values: Tensor, probability: float, neutral: float) -> Tensor:
        """Values [N, …] of the images that choose them, and `neutral` of the others."""
        chosen = self.uniform() < probability * self.strength
        return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), values, neutral)


def geometric_matrices(random: Randomness, probability: float, height: int, width: int) -> Tensor:
    """From positions in the augmented image to positions in the given one: [N, 3, 3]."""
    full_turn = 2 * math.pi
    flip = 1 - 2 * random.choose(torch.floor(2 * random.uniform()), probability, 0)
    matrix = scaling(1 / flip, torch.ones_like(flip))
    quarters = random.choose(torch.floor(4 * random.uniform()), probability, 0)
    matrix = matrix @ rotation(quarters * full_turn / 4)
    shift = random.choose((2 * random.uniform(2) - 1) / 8, probability, 0)
    matrix = matrix @ translation(-torch.round(shift[:, 0] * width), -torch.round(shift[:, 1] * height))
    scale = random.choose(torch.exp2(0.2 * random.normal()), probability, 1)
    matrix = matrix @ scaling(1 / scale, 1 / scale)
    # Turned before or after the stretch or both: either happens with this probability, one of them with the whole.
    either = (1 - math.sqrt(1 - probability * random.strength)) / random.strength if random.strength else 0.0
    matrix = matrix @ rotation(random.choose((random.uniform() - 0.5) * full_turn, either, 0))
    stretch = random.choose(torch.exp2(0.2 * random.normal()), probability, 1)
    matrix = matrix @ scaling(1 / stretch, stretch)
    matrix = matrix @ rotation(random.choose((random.uniform() - 0.5) * full_turn, either, 0))
    shift = random.choose(random.normal(2) / 8, probability, 0)
    return matrix @ translation(-shift[:, 0] * width, -shift[:, 1] * height)


def colour_matrices(random: Randomness, probability: float, channels: int) -> Tensor:
    """From given colours to augmented ones: [N, 4, 4]."""
    identity = torch.eye(4)
    grey = torch.tensor([1.0, 1.0, 1.0, 0.0]) / math.sqrt(3)
    along_grey = torch.outer(grey, grey)
    brightness = random.choose(0.2 * random.normal(), probability, 0)
    matrix = identity + brightness.view(-1, 1, 1) * torch.outer(torch.tensor([1.0, 1.0, 1.0, 0.0]), identity[3])
    contrast = random.choose(torch.exp2(0.5 * random.normal()), probability, 1)
    ones = torch.ones_like(contrast)
    matrix = torch.diag_embed(torch.stack([contrast, contrast, contrast, ones], 1)) @ matrix
    luma_flip = random.choose(torch.floor(2 * random.uniform()), probability, 0)
    matrix = (identity - 2 * luma_flip.view(-1, 1, 1) * along_grey) @ matrix
    if channels == 1:
        return matrix
    angle = random.choose((2 * random.uniform() - 1) * math.pi, probability, 0).view(-1, 1, 1)
    # Rodrigues' formula for a rotation around the axis of greys, in homogeneous coordinates.
    axis = 1 / math.sqrt(3)
    cross = axis * torch.tensor([[0.0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]])
    rgb = torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0]))
    hue = along_grey + torch.cos(angle) * (rgb - along_grey) + torch.sin(angle) * cross + (identity - rgb)
    matrix = hue @ matrix
    saturation = random.choose(torch.exp2(random.normal()), probability, 1).view(-1, 1, 1)
    return (along_grey + saturation * (identity - along_grey)) @ matrix


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Images [N, C, H, W] seen through matrices [N, 3, 3] on the CPU, as `geometric_matrices` makes them.

    Mirrored at the borders, up to once, and interpolated at twice the resolution, without aliasing.
    """
    height, width = images.shape[2:]
    corners = torch.tensor([[x, y, 1.0] for x in (-1, 1) for y in (-1, 1)])
    corners = corners * torch.tensor([(width - 1) / 2, (height - 1) / 2, 1.0])
    reached = (matrices @ corners.T)[:, :2]
    sides = torch.tensor([width, height])
    room = torch.stack([-reached.amin((0, 2)), reached.amax((0, 2))]) + 2 * MARGIN - (sides - 1) / 2
    # Read on the CPU, so that nothing waits for the device.
    (left, top), (right, bottom) = room.clamp(min=torch.zeros(2), max=sides - 1.0).ceil().int().numpy().tolist()
    padded = functional.pad(images, [left, right, top, bottom], mode="reflect")
    rows, columns = 2 * (height + 2 * MARGIN), 2 * (width + 2 * MARGIN)
    # Pixels of the output at twice the resolution, in pixels of the image around its centre, and back again.
    y, x = torch.meshgrid(
        (torch.arange(rows) - rows / 2 + 1) / 2, (torch.arange(columns) - columns / 2 + 1) / 2, indexing="ij"
    )
    points = to_device(torch.stack([x, y, torch.ones_like(x)]).flatten(1), images.device)
    seen = 2 * (to_device(matrices[:, :2], images.device) @ points).unflatten(2, (rows, columns)).to(images.dtype)
    warped = interpolate_in_black(
        _upsample(padded), seen[:, 0] + 2 * left + width - 1, seen[:, 1] + 2 * top + height - 1
    )
    return _downsample(warped)


def _upsample(images: Tensor) -> Tensor:
    """[N, C, H, W] → [N, C, 2H, 2W]."""
    channels = images.shape[1]
    taps = 2 * _taps(images)
    for shape, padding, stride in (((1, -1), (0, 5), (1, 2)), ((-1, 1), (5, 0), (2, 1))):
        weight = taps.view(1, 1, *shape).expand(channels, -1, -1, -1)
        images = functional.conv_transpose2d(images, weight, stride=stride, padding=padding, groups=channels)
    return images


def _downsample(images: Tensor) -> Tensor:
    """[N, C, 2(H + 2 MARGIN), 2(W + 2 MARGIN)] → [N, C, H, W]."""
    channels = images.shape[1]
    images = images[:, :, 1:-1, 1:-1]
    for shape, stride in (((1, -1), (1, 2)), ((-1, 1), (2, 1))):
        weight = _taps(images).view(1, 1, *shape).expand(channels, -1, -1, -1)
        images = functional.conv2d(images, weight, stride=stride, groups=channels)
    return images


def _taps(images: Tensor) -> Tensor:
    """The filter [12] with sum 1, like the images."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    return to_device((taps / taps.sum()).to(images.dtype), images.device)


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """Images [N, C, H, W] in the colours that matrices [N, 4, 4] on the CPU make of theirs."""
    if images.shape[1] == 1:  # the mean of what becomes of a grey
        mean = matrices[:, :3].mean(1, keepdim=True)
        matrices = torch.cat([mean[:, :, :3].sum(2, keepdim=True), mean[:, :, 3:]], 2)
    matrices = to_device(matrices, images.device).to(images.dtype)
    channels = images.shape[1]
    colours = matrices[:, :channels, :channels] @ images.flatten(2) + matrices[:, :channels, -1:]
    return colours.view_as(images)


def uncovered(random: Randomness, probability: float, height: int, width: int) -> Tensor:
    """Where images are kept: bool [N, 1, H, W], false in a rectangle of half the side around a random point."""
    size = random.choose(torch.full((random.count,), 0.5), probability, 0).view(-1, 1, 1)
    centre = random.uniform(2)
    x = ((torch.arange(width) + 0.5) / width - centre[:, :1]).abs().unsqueeze(1)
    y = ((torch.arange(height) + 0.5) / height - centre[:, 1:]).abs().unsqueeze(2)
    return ((x >= size / 2) | (y >= size / 2)).unsqueeze(1)


@register("pipeline")
class Pipeline(Augmentation):
    """Every transformation with its probability times a strength that may follow a schedule."""

    config_type = PipelineConfig

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(config)
        self.config = config
        self.strength = 0.0

    def follow(self, state: StepState) -> None:
        self.strength = value_at(self.config.strength, state)

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, channels, height, width = images.shape
        random = Randomness(count, self.strength, generator)
        config = self.config
        if config.geometry:
            images = warp(images, geometric_matrices(random, config.geometry, height, width))
        if config.colour:
            images = recolour(images, colour_matrices(random, config.colour, channels))
        if config.cutout:
            images = images * to_device(uncovered(random, config.cutout, height, width), images.device)
        return images
