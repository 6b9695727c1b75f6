"""Sound files → samples: the one place that hands a file to libsndfile."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy
import soundfile

from aigc_core.errors import AIGCError

SAMPLE_RATE = 16_000
"""Samples a second of all sounds here."""
MAX_SECONDS = 600
"""Longer files are no single sounds, and would fill the memory."""
SUFFIXES = (".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3", ".au")
UNKNOWN_LENGTH = 2**32 - 1
"""What a program writes that does not know yet how long a sound will be."""
SILENCE = 1e-4
"""−80 dB of full scale: what stays below is silent."""


def read_sound(path: Path) -> numpy.ndarray:
    """A sound file as float32 [S] in about [-1, 1] at SAMPLE_RATE, its channels averaged.

    What the file is decides its content, not its name. Raises AIGCError, which names the file, where it is no sound, is
    damaged, truncated, silent or longer than MAX_SECONDS.
    """
    try:
        with soundfile.SoundFile(path) as file:
            seconds = file.frames / file.samplerate
            if seconds > MAX_SECONDS:
                raise AIGCError(
                    "'{path}' lasts {minutes:,.0f} minutes, and a sound {most} at most; cut it into pieces.",
                    path=path,
                    minutes=seconds / 60,
                    most=MAX_SECONDS // 60,
                )
            rate, samples = file.samplerate, file.read(dtype="float32", always_2d=True)
            is_wav = file.format in ("WAV", "WAVEX")
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from None
    if is_wav and (missing := _missing_bytes(path)):
        raise AIGCError(
            "'{path}' is truncated: {missing:,} bytes of its sound are missing; copy it again.",
            path=path,
            missing=missing,
        )
    mono = samples.mean(axis=1)
    if not numpy.isfinite(mono).all():
        raise AIGCError("'{path}' has samples that are no numbers.", path=path)
    if not len(mono) or abs(mono).max() < SILENCE:
        raise AIGCError("'{path}' is silent.", path=path)
    return resampled(mono, rate)


def unreadable(path: Path, error: Exception) -> AIGCError:
    """What to raise for an error of libsndfile or of the system that reading a file met."""
    said = error.error_string if isinstance(error, soundfile.LibsndfileError) else getattr(error, "strerror", None)
    reason = str(said or error).rstrip(".").replace(". ", ": ")
    return AIGCError("'{path}' cannot be read as a sound ({reason}).", path=path, reason=reason)


def resampled(samples: numpy.ndarray, rate: int) -> numpy.ndarray:
    """Samples float32 [S] at another rate → at SAMPLE_RATE."""
    from scipy.signal import resample_poly  # large, and the apps make do without

    divisor = math.gcd(rate, SAMPLE_RATE)
    return resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor).astype(numpy.float32)


def wav_chunks(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a WAV file, as far as there are any: their names, where their contents begin, and the lengths that
    they announce in bytes (Multimedia Programming Interface and Data Specifications 1.0, chapter 2)."""
    with path.open("rb") as file:
        begin = file.read(12)
        while begin.startswith(b"RIFF") and len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            yield name, file.tell(), length
            file.seek(length + length % 2, 1)


def _missing_bytes(path: Path) -> int:
    """How many bytes of sound a WAV file lacks of those that it announces, which libsndfile does not say."""
    size = path.stat().st_size
    for name, start, length in wav_chunks(path):
        if name == b"data" and length != UNKNOWN_LENGTH:
            return max(0, start + length - size)
    return 0
