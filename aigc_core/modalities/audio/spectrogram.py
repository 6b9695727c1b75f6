"""Waves → log-mel spectrograms, in the decibels and bands that models draw, and back to magnitudes of frequencies."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from aigc_core.data.sound_files import SAMPLE_RATE

WINDOW = 1024
HOP = 256
FREQUENCIES = WINDOW // 2 + 1
LOWEST, HIGHEST = -80.0, 0.0
"""Decibels that model space [-1, 1] spans; a sine of full scale has 0 dB where it is at the centre of its band."""
INVERSION_STEPS = 50
COLOURS = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))
"""RGB from the quietest to the loudest, evenly spaced: Matplotlib's magma at five places."""


def transform(waves: Tensor) -> Tensor:
    """Waves float32 [N, T · HOP] → complex64 [N, FREQUENCIES, T]: windows centred at 0, HOP, 2 · HOP …

    Scaled so that a sine of full scale has magnitude 1.
    """
    window = torch.hann_window(WINDOW, device=waves.device)
    spectra = torch.stft(waves, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True)
    return spectra[:, :, :-1] * (2 / window.sum())


def inverse_transform(spectra: Tensor) -> Tensor:
    """Spectra complex64 [N, FREQUENCIES, T] → waves float32 [N, T · HOP] whose `transform` is nearest to them, in the
    mean square (Griffin & Lim 1984, equation 6)."""
    window = torch.hann_window(WINDOW, device=spectra.device)
    scaled = spectra * (window.sum() / 2)
    return torch.istft(scaled, WINDOW, HOP, window=window, length=spectra.shape[2] * HOP)


@cache
def mel_filters(bands: int) -> Tensor:
    """Triangles float32 [bands, FREQUENCIES] of height 1 whose corners are equally far apart in mel, from 0 Hz to half
    the sample rate; mel = 2595 log₁₀(1 + f / 700) (O'Shaughnessy 1987)."""
    highest = 2595 * torch.log10(torch.tensor(1 + SAMPLE_RATE / 2 / 700, dtype=torch.float64))
    corners = 700 * (10 ** (torch.linspace(0, float(highest), bands + 2, dtype=torch.float64) / 2595) - 1)
    frequencies = torch.linspace(0, SAMPLE_RATE / 2, FREQUENCIES, dtype=torch.float64)
    low, centre, high = (corners[start : start + bands, None] for start in range(3))
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def log_mel(waves: Tensor, bands: int) -> Tensor:
    """Waves float32 [N, T · HOP] in [-1, 1] → maps float32 [N, 1, bands, T] in [-1, 1], low bands first."""
    mel = mel_filters(bands).to(waves.device) @ transform(waves).abs()
    decibels = 20 * torch.log10(mel.clamp(min=10 ** (LOWEST / 20)))
    return ((decibels - LOWEST) * (2 / (HIGHEST - LOWEST)) - 1).clamp(-1, 1).unsqueeze(1)


def magnitudes(maps: Tensor) -> Tensor:
    """Maps float [N, 1, bands, T] as `log_mel` makes them → magnitudes float32 [N, FREQUENCIES, T] with about these
    bands.

    Of the many with the same bands, those that multiplicative steps reach from a smooth start (Lee & Seung 2001,
    theorem 1); they are never negative.
    """
    decibels = (maps.squeeze(1).float().clamp(-1, 1) + 1) * ((HIGHEST - LOWEST) / 2) + LOWEST
    mel = 10 ** (decibels / 20) * (decibels > LOWEST)
    filters = mel_filters(maps.shape[2]).to(maps.device)
    spread = filters.T @ mel
    found = spread / (filters.T @ filters.sum(1, keepdim=True)).clamp(min=1e-6)
    gram = filters.T @ filters
    for _ in range(INVERSION_STEPS):
        found = found * spread / (gram @ found).clamp(min=1e-9)
    return found


def in_colour(maps: Tensor) -> Tensor:
    """Maps float [N, 1, H, W] in [-1, 1] → pictures uint8 [N, 3, H, W]."""
    colours = torch.tensor(COLOURS, dtype=torch.float, device=maps.device)
    places = (maps.squeeze(1).clamp(-1, 1) + 1) * ((len(COLOURS) - 1) / 2)
    below = places.floor().clamp(max=len(COLOURS) - 2).long()
    mixed = torch.lerp(colours[below], colours[below + 1], (places - below).unsqueeze(-1))
    return mixed.round().to(torch.uint8).permute(0, 3, 1, 2)
