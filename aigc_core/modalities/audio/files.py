"""WAV and FLAC files of 16 bits that say what they are: a comment, in the LIST/INFO chunk or among the Vorbis comments,
holds the label of GB 45438-2025, IPTC's source type, the request and the weights, as JSON."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from aigc_core.data.sound_files import SAMPLE_RATE, chunks, opened, unreadable
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write
from aigc_core.modalities.provenance import PRODUCER, Provenance

MAX_COMMENT = 2**20


def write_sound(path: Path, wave: Tensor, provenance: Provenance) -> None:
    """Write a wave int16 [S]. Raises AIGCError when the disk is full or not writable."""
    comment = json.dumps(
        {
            "AIGC": provenance.aigc,
            "DigitalSourceType": provenance.source_type,
            "Request": provenance.request,
            "Weights": provenance.weights,
        }
    )
    with atomic_write(path) as unfinished:
        try:
            with opened(unfinished, "w", samplerate=SAMPLE_RATE, channels=1, subtype="PCM_16") as file:
                file.software, file.comment = PRODUCER, comment
                file.write(wave.numpy())
        except soundfile.LibsndfileError as error:
            raise OSError(error.error_string) from None


def read_wave(path: Path, length: int) -> Tensor:
    """The samples int16 [length] of a file. Raises AIGCError if it is no sound or damaged, and, before it is read, if
    it is longer or shorter or has several channels."""
    try:
        with opened(path) as file:
            if (file.frames, file.channels) != (length, 1):
                raise AIGCError(
                    "The sound does not match: the request makes {expected:,} samples in one channel, the file has "
                    "{found:,} in {channels}.",
                    expected=length,
                    found=file.frames,
                    channels=file.channels,
                )
            return torch.from_numpy(file.read(dtype="int16"))
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from None


def read_comment(path: Path) -> Provenance:
    """The provenance in a file. Raises AIGCError if it has none of ours, is damaged, or is no sound."""
    try:
        with opened(path) as file:
            # libsndfile reads long comments only from FLAC files.
            comment = _info(path, b"ICMT") if file.format in ("WAV", "WAVEX") else file.comment
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from None
    if '"AIGC"' not in comment:
        raise AIGCError("'{name}' does not say that AIGC Studio made it: the file carries no request.", name=path)
    try:
        said = json.loads(comment)
        label = {str(key): str(value) for key, value in said["AIGC"].items()}
        request, weights, source = (str(said[key]) for key in ("Request", "Weights", "DigitalSourceType"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AIGCError("What '{name}' says of where it comes from is damaged.", name=path) from None
    return Provenance(request, weights, source, label)


def _info(path: Path, name: bytes) -> str:
    """A text in a WAV file's LIST/INFO chunk; empty if there is none."""
    for chunk, start, length in chunks(path):
        if chunk == b"LIST" and length <= MAX_COMMENT:
            with path.open("rb") as file:
                file.seek(start)
                content = file.read(length)
            place = 4 if content.startswith(b"INFO") else length
            while place + 8 <= len(content):
                key, size = struct.unpack_from("<4sI", content, place)
                if key == name:
                    return content[place + 8 : place + 8 + size].rstrip(b"\0").decode(errors="replace")
                place += 8 + size + size % 2
    return ""
