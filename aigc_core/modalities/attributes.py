"""What can be measured of a sample and has a name in everyday words, such as how bright a picture is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aigc_core.errors import Sentence

PLAIN = 8
"""A picture whose border differs by no more levels than that in the median stands on a plain ground."""
QUIETEST = -80.0
"""Decibels of full scale below which a sound counts as silent."""
LASTING = 0.95
"""A sound ends where that share of its energy has passed."""


@dataclass(frozen=True)
class Attribute:
    """What a visitor reads where there is less of something measurable, and where there is more."""

    less: Sentence
    more: Sentence


ATTRIBUTES = {
    "brightness": Attribute(Sentence("Darker"), Sentence("Brighter")),
    "contrast": Attribute(Sentence("Less contrast"), Sentence("More contrast")),
    "saturation": Attribute(Sentence("Paler colours"), Sentence("Stronger colours")),
    "warmth": Attribute(Sentence("Cooler colours"), Sentence("Warmer colours")),
    "width": Attribute(Sentence("Narrower"), Sentence("Wider")),
    "height": Attribute(Sentence("Flatter"), Sentence("Taller")),
    "slant": Attribute(Sentence("Leaning left"), Sentence("Leaning right")),
    "loudness": Attribute(Sentence("Quieter"), Sentence("Louder")),
    "centroid": Attribute(Sentence("Duller sound"), Sentence("Brighter sound")),
    "duration": Attribute(Sentence("Shorter sound"), Sentence("Longer sound")),
}


def picture_attributes(pictures: Tensor) -> dict[str, Tensor]:
    """Attributes by name, float [N], of pictures uint8 [N, C, H, W] with C = 1 or 3.

    Brightness, contrast (the standard deviation of grey), saturation (the largest minus the smallest channel) and
    warmth (red minus blue) are in levels of 255. Width and height are the standard deviation of the figure's pixels
    along x and y, in pixels, and slant is the pixels that it leans to the right per pixel upwards; a pixel weighs as
    much as its grey differs from the ground's, the median of the border. They are NaN without a plain ground.
    """
    values = pictures.double()
    grey = values.mean(1)
    found = {"brightness": grey.mean((1, 2)), "contrast": grey.std((1, 2))}
    if pictures.shape[1] == 3:
        found["saturation"] = (values.amax(1) - values.amin(1)).mean((1, 2))
        found["warmth"] = (values[:, 0] - values[:, 2]).mean((1, 2))
    border = torch.cat([grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]], dim=1)
    ground = border.median(1, keepdim=True).values
    is_plain = (border - ground).abs().median(1).values <= PLAIN
    weights = (grey - ground[..., None]).abs()
    weights = weights / weights.sum((1, 2), keepdim=True).clamp(min=1e-9)
    up = -torch.arange(grey.shape[1], dtype=grey.dtype, device=grey.device)[:, None]
    right = torch.arange(grey.shape[2], dtype=grey.dtype, device=grey.device)
    up, right = (place - (weights * place).sum((1, 2), keepdim=True) for place in (up, right))
    tall, wide, both = ((weights * product).sum((1, 2)) for product in (up * up, right * right, up * right))
    figure = {"width": wide.sqrt(), "height": tall.sqrt(), "slant": both / tall.clamp(min=1e-9)}
    return found | {name: value.where(is_plain, torch.nan) for name, value in figure.items()}


def sound_attributes(waves: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Attributes by name, float [N], of sounds float [N, S] in [-1, 1].

    Loudness is the root mean square in decibels of full scale, the centroid of the spectrum is in hertz, and the
    duration in seconds.
    """
    waves = waves.double()
    energy = waves.square().cumsum(1)
    total = energy[:, -1:].clamp(min=1e-12)
    loudness = 10 * (energy[:, -1] / waves.shape[1]).clamp(min=10 ** (QUIETEST / 10)).log10()
    spectrum = torch.fft.rfft(waves).abs()
    frequencies = torch.fft.rfftfreq(waves.shape[1], 1 / sample_rate, dtype=waves.dtype, device=waves.device)
    centroid = (spectrum * frequencies).sum(1) / spectrum.sum(1).clamp(min=1e-9)
    return {
        "loudness": loudness,
        "centroid": centroid,
        "duration": (energy < LASTING * total).sum(1) / sample_rate,
    }
