"""Sound files → samples: the one place that hands a file to libsndfile."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import soundfile

from aigc_core.errors import AIGCError, Sentence

SAMPLE_RATE = 16_000
"""Samples a second of all sounds here."""
MAX_SECONDS = 600
"""Longer files are no single sounds, and would fill the memory."""
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
"""Samples a second of files that are read; others are those of damaged headers."""
BLOCK = 2**20
"""Numbers that are read at a time, of all channels together."""
SUFFIXES = (".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3", ".au")
UNKNOWN_LENGTH = 2**32 - 1
"""What a program writes that does not know yet how long a sound will be."""
INCOMPLETE_HEADER = 24
"""libsndfile's SFE_BAD_SF_INFO, which it calls an internal error."""
LOUDEST = 1_000_000
"""Larger samples are those of damaged files; some programs write 16-bit numbers as they are."""
SILENCE = 1e-4
"""−80 dB of full scale: what stays below is silent."""
AUDIBLE = 0.01
"""−40 dB of the sound: if less is left at SAMPLE_RATE, it is what the filter lets through of the rest."""


def opened(path: Path, mode: str = "r", **form: Any) -> soundfile.SoundFile:
    """A file in the hands of libsndfile. Its name may be any bytes, of which the package itself takes UTF-8 alone."""
    name: Any = os.fsencode(path) if os.name == "posix" else path  # bytes work, which its annotations leave out
    return soundfile.SoundFile(name, mode, **form)


def read_sound(path: Path) -> numpy.ndarray:
    """A sound file as float32 [S] in about [-1, 1] at SAMPLE_RATE, its channels averaged.

    What the file is decides its content, not its name. Raises AIGCError, which names the file, where it is no sound, is
    damaged, truncated, silent or longer than MAX_SECONDS. Of an MP3, what is left of it is read, as nothing tells how
    long it was.
    """
    try:
        with opened(path) as file:
            rate = file.samplerate
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise AIGCError(
                    "'{path}' claims {rate:,} samples a second, and sounds have {lowest:,} to {highest:,}; its header "
                    "is damaged.",
                    path=path,
                    rate=rate,
                    lowest=LOWEST_RATE,
                    highest=HIGHEST_RATE,
                )
            seconds = file.frames / rate
            if seconds > MAX_SECONDS:
                raise AIGCError(
                    "'{path}' lasts {minutes:,.0f} minutes, and a sound {most} at most; cut it into pieces.",
                    path=path,
                    minutes=seconds / 60,
                    most=MAX_SECONDS // 60,
                )
            blocks = file.blocks(max(1, BLOCK // file.channels), dtype="float32", always_2d=True)
            mono = numpy.concatenate([numpy.zeros(0, numpy.float32), *(block.mean(axis=1) for block in blocks)])
        missing = _missing_bytes(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from None
    if missing:
        raise AIGCError(
            "'{path}' is truncated: {missing:,} bytes of its sound are missing; copy it again.",
            path=path,
            missing=missing,
        )
    if not numpy.isfinite(mono).all():
        raise AIGCError("'{path}' has samples that are no numbers.", path=path)
    peak = abs(mono).max(initial=0)
    if peak > LOUDEST:
        raise AIGCError("'{path}' has samples of over {most:,}; sounds lie in about -1 to 1.", path=path, most=LOUDEST)
    if peak < SILENCE:
        raise AIGCError("'{path}' is silent.", path=path)
    sound = resampled(mono, rate)
    if sound.std() < AUDIBLE * mono.std():
        raise AIGCError("'{path}' has nothing below {half:,} Hz.", path=path, half=SAMPLE_RATE // 2)
    return sound


def unreadable(path: Path, error: Exception) -> AIGCError:
    """What to raise for an error of libsndfile or of the system that reading a file met."""
    said = error.error_string if isinstance(error, soundfile.LibsndfileError) else getattr(error, "strerror", None)
    reason = str(said or error).rstrip(".").replace(". ", ": ")
    if isinstance(error, soundfile.LibsndfileError) and error.code == INCOMPLETE_HEADER:
        reason = Sentence("its header claims 0 samples a second, or no channel")
    return AIGCError("'{path}' cannot be read as a sound ({reason}).", path=path, reason=reason)


def resampled(samples: numpy.ndarray, rate: int) -> numpy.ndarray:
    """Samples float32 [S] at another rate → at SAMPLE_RATE."""
    from scipy.signal import resample_poly  # large, and the apps make do without

    divisor = math.gcd(rate, SAMPLE_RATE)
    return resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor).astype(numpy.float32)


def chunks(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a WAV or AIFF file, as far as there are any: their names, where their contents begin, and the
    lengths that they announce in bytes (Multimedia Programming Interface and Data Specifications 1.0, chapter 2; Audio
    Interchange File Format 1.3)."""
    with path.open("rb") as file:
        begin = file.read(12)
        order = {b"RIFF": "<", b"FORM": ">"}.get(begin[:4])
        while order and len(header := file.read(8)) == 8:
            name, length = struct.unpack(f"{order}4sI", header)
            yield name, file.tell(), length
            file.seek(length + length % 2, 1)


def _missing_bytes(path: Path) -> int:
    """How many bytes of sound a WAV, AIFF or AU file lacks of those that it announces, which libsndfile does not
    say."""
    announced = [(start, length) for name, start, length in chunks(path) if name in (b"data", b"SSND")][:1]
    with path.open("rb") as file:
        begin = file.read(12)
    if begin.startswith(b".snd") and len(begin) == 12:
        announced = [struct.unpack(">II", begin[4:])]
    size = path.stat().st_size
    return sum(max(0, start + length - size) for start, length in announced if length != UNKNOWN_LENGTH)
