"""Sounds: waves int16 [N, S] at 16 kHz, saved as WAV or FLAC.

Models draw their log-mel spectrograms, as images of one channel (SpecGAN; Donahue et al. 2019, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy
import torch
from torch import Tensor

from aigc_core.config import Config, parse_config
from aigc_core.data.dataset import Dataset
from aigc_core.data.sound_files import SAMPLE_RATE, read_sound
from aigc_core.data.sounds import load_sounds, prepared
from aigc_core.errors import AIGCError, Sentence
from aigc_core.modalities.attributes import sound_attributes
from aigc_core.modalities.base import Media, Modality
from aigc_core.modalities.provenance import Provenance, Statement

from .files import read_comment, read_wave, write_sound
from .griffin_lim import griffin_lim
from .spectrogram import HOP, in_colour, log_mel, magnitudes

TOLERANCE = 512
"""How far, of 32,767, another device or weights rounded to half precision may move a sample: phases are searched for,
and small differences grow on the way."""
FULL_SCALE = 32767
FADE = 160
"""How many samples a sound that is cut fades out over."""
SILENT = 33
"""A sound whose samples all stay below this (−60 dB) is silent."""
CLIPPED_SHARE = 0.001
"""A sound with a larger share of samples at full scale is clipped."""
ALIKE = 0.02
"""Spectrograms in [-1, 1] with a smaller mean standard deviation than this show the same sound."""


class AudioSettings(Config):
    """What a recipe may say of the shape: how many bands and frames of 16 ms a spectrogram has."""

    bands: Literal[32, 64, 128] = 64
    frames: Literal[32, 64, 128] = 64


class AudioModality(Modality):
    """Sounds of `frames` · 256 samples, whose spectrograms have so many `bands`."""

    name: ClassVar[str] = "audio"
    plural: ClassVar[str] = Sentence("sounds")
    media: ClassVar[Media] = "audio"
    has_pictures: ClassVar[bool] = True
    is_played: ClassVar[bool] = True
    hub_task: ClassVar[str] = "text-to-audio"
    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac")
    preview_file: ClassVar[str] = "samples.flac"
    preview_rows: ClassVar[int] = 2  # they are heard one after another
    bands: Literal[32, 64, 128]
    frames: Literal[32, 64, 128]

    @property
    def length(self) -> int:
        """How many samples a sound has."""
        return self.frames * HOP

    @property
    def map_shape(self) -> tuple[int, int, int]:
        return 1, self.bands, self.frames

    @classmethod
    def load(cls, data: str, settings: Mapping[str, Any], limit: int | None = None) -> tuple[Self, Dataset]:
        wanted = parse_config(AudioSettings, dict(settings), Sentence("The shape of sounds"))
        kind = cls(bands=wanted.bands, frames=wanted.frames)
        return kind, kind.load_split(data, "train", limit)

    def load_split(self, data: str, split: str, limit: int | None = None) -> Dataset:
        sounds = load_sounds(data, split, limit)
        return Dataset(
            sounds.name,
            self._of_one_length(sounds.waves),
            torch.tensor(sounds.labels, dtype=torch.int64),
            sounds.class_names,
            sounds.licence,
            sounds.source,
        )

    def _of_one_length(self, sounds: Sequence[numpy.ndarray]) -> Tensor:
        """Waves int16 [S] of any length → int16 [N, length]: short ones end in silence, and long ones fade out."""
        waves = torch.zeros(len(sounds), self.length, dtype=torch.int16)
        fading = numpy.linspace(1, 0, FADE, dtype=numpy.float32)
        for row, wave in zip(waves, sounds):
            row[: len(wave)] = torch.from_numpy(wave[: self.length])
            if len(wave) > self.length:
                row[-FADE:] = torch.from_numpy((row[-FADE:].numpy() * fading).astype(numpy.int16))
        return waves

    def to_model(self, stored: Tensor) -> Tensor:
        return log_mel(stored.float() / FULL_SCALE, self.bands)

    def to_stored(self, generated: Tensor) -> Tensor:
        waves = griffin_lim(magnitudes(generated))
        return (waves * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE).to(torch.int16)

    def pictures(self, stored: Tensor) -> Tensor:
        """Spectrograms in colour, low frequencies at the bottom."""
        return in_colour(self.to_model(stored)).flip(2)

    def read_preview(self, path: Path, count: int) -> Tensor:
        wave = torch.from_numpy(read_sound(path)[: count * self.length])
        waves = wave[: len(wave) // self.length * self.length].view(-1, self.length)
        return (waves * FULL_SCALE).round().to(torch.int16)

    def attributes(self, stored: Tensor) -> dict[str, Tensor]:
        return sound_attributes(stored / FULL_SCALE, SAMPLE_RATE)

    def has_collapsed(self, stored: Tensor) -> bool:
        return len(stored) > 1 and bool(self.to_model(stored).std(0).mean() < ALIKE)

    def warning(self, stored: Tensor) -> Sentence | None:
        loudest = stored.abs().amax(1)
        silent = (loudest < SILENT).float().mean().item()
        clipped = ((stored.abs() >= FULL_SCALE).float().mean(1) > CLIPPED_SHARE).float().mean().item()
        if silent:
            return Sentence("{share:.0%} of the samples are silent.", share=silent)
        if clipped:
            return Sentence("{share:.0%} of the samples are clipped: louder than a file can hold.", share=clipped)
        return super().warning(stored)

    def describe(self) -> str:
        return Sentence("sounds of {seconds:.2f} seconds", seconds=self.length / SAMPLE_RATE)

    def write(self, path: Path, stored: Tensor, statement: Statement, columns: int = 0) -> None:
        write_sound(path, stored.flatten(), Provenance.of(statement, stored))

    def read_stored(self, path: Path) -> Tensor:
        """A sound file, prepared like the training data: trimmed, with their loudness and of their length."""
        return self._of_one_length([prepared(read_sound(path))])

    @classmethod
    def read_provenance(cls, path: Path) -> Provenance:
        return read_comment(path)

    def verify(self, path: Path, draw: Callable[[], Tensor], count: int) -> str:
        written = read_wave(path, count * self.length)
        largest = int((draw().flatten().int() - written.int()).abs().max())
        if largest > TOLERANCE:
            raise AIGCError(
                "The sound does not match: samples differ by up to {largest:,} of 32,767; it was changed after it was "
                "made.",
                largest=largest,
            )
        return "sound: made again, and it matches" + (f", to within {largest:,} of 32,767" if largest else "")
