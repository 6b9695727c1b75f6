"""Movies of samples: GIF files and MP4 files that say they are AI-generated, though not by what request."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import GifImagePlugin, Image, ImageChops
from torch import Tensor

from aigc_core.data.image_files import opened
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

from .png import to_picture
from .provenance import DIGITAL_SOURCE_TYPE, Provenance, aigc_label

FRAMES_PER_SECOND = 20
MOVIE_SUFFIXES = (".gif", ".mp4")
READING_SECONDS = 30
WATCHABLE_SIDE = 256


def enlarge(frames: Tensor, side: int = WATCHABLE_SIDE) -> Tensor:
    """uint8 [N, C, R, R] → [N, C, k·R, k·R] of about `side` pixels, each pixel a crisp square."""
    factor = max(1, round(side / frames.shape[-1]))
    return frames.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def write_movie(path: Path, frames: Iterable[Tensor]) -> None:
    """Write frames uint8 [C, R, R] as a GIF that repeats or an H.264 MP4, by the path's suffix, enlarged.

    Each is written before the next is asked for. Both state that they are AI-generated: the GIF in a comment, the MP4
    in its metadata, with the key `AIGC` of GB 45438-2025. Raises AIGCError when the disk is full or not writable, or
    there is no encoder for an MP4.
    """
    pictures = (to_picture(enlarge(frame[None])[0]) for frame in frames)
    # The statement stands before the frames, whose hash is not known yet.
    statement = {"DigitalSourceType": DIGITAL_SOURCE_TYPE, "AIGC": aigc_label(uuid4().hex)}
    with atomic_write(path) as unfinished:
        if path.suffix.lower() == ".gif":
            _write_gif(unfinished, pictures, statement)
        else:
            _write_mp4(unfinished, pictures, statement)


def _write_gif(path: Path, pictures: Iterator[Image.Image], statement: dict[str, Any]) -> None:
    """Pillow's own `save` would hold all frames; of each, only what differs from the one before is written."""
    before, changed = None, (0, 0, 0, 0)
    with path.open("wb") as file:
        for picture in pictures:
            if before is None:
                changed = (0, 0, *picture.size)
            else:
                changed = ImageChops.difference(before, picture).getbbox() or (0, 0, 1, 1)
            reduced = picture.crop(changed).convert("P", palette=Image.Palette.ADAPTIVE)
            if before is None:
                header, _ = GifImagePlugin.getheader(reduced.copy(), info={"loop": 0, "comment": json.dumps(statement)})
                file.writelines(header)
            file.writelines(
                GifImagePlugin.getdata(
                    reduced, changed[:2], duration=1000 // FRAMES_PER_SECOND, include_color_table=True
                )
            )
            before = picture
        file.write(b";")


def _write_mp4(path: Path, pictures: Iterator[Image.Image], statement: dict[str, Any]) -> None:
    metadata = {"comment": json.dumps(statement), "AIGC": json.dumps(statement["AIGC"])}
    options = ["-crf", "16", "-movflags", "+faststart+use_metadata_tags"]
    for key, value in metadata.items():
        options += ["-metadata", f"{key}={value}"]
    first = next(pictures)
    command = [_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-video_size", f"{first.width}x{first.height}", "-framerate", str(FRAMES_PER_SECOND), "-i", "-"]
    # H.264 in 4:2:0 has sides of even numbers.
    command += ["-vf", "scale=ceil(iw/2)*2:ceil(ih/2)*2", "-codec:v", "libx264", "-pix_fmt", "yuv420p", *options]
    with tempfile.TemporaryFile() as messages:
        encoder = subprocess.Popen([*command, str(path)], stdin=subprocess.PIPE, stderr=messages)
        with suppress(BrokenPipeError), encoder:  # an encoder that fails says why
            assert encoder.stdin is not None
            for picture in chain([first], pictures):
                encoder.stdin.write(picture.convert("RGB").tobytes())
        messages.seek(0)
        said = messages.read().decode(errors="replace")
    if encoder.returncode:
        if "No space left on device" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise OSError(f"ffmpeg stopped with '{said.strip().splitlines()[-1] if said.strip() else encoder.returncode}'")


def _ffmpeg() -> str:
    """The program that imageio-ffmpeg has chosen. Raises AIGCError if there is none."""
    import imageio_ffmpeg

    try:
        program = shutil.which(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        program = None
    if program is None:
        raise AIGCError("An MP4 needs the program ffmpeg, and imageio-ffmpeg finds none; install it, or make a GIF.")
    return program


def read_movie(path: Path) -> Provenance:
    """The provenance in a GIF or an MP4 of `write_movie`, which names neither request nor weights.

    Raises AIGCError if the file cannot be read, or does not state that it was made here.
    """
    comment = _gif_comment(path) if path.suffix.lower() == ".gif" else _mp4_comment(path)
    try:
        statement = json.loads(comment)
        label = {str(key): str(value) for key, value in statement["AIGC"].items()}
        return Provenance("", "", str(statement["DigitalSourceType"]), label)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AIGCError("'{name}' does not say that AIGC Studio made it.", name=path.name) from None


def _gif_comment(path: Path) -> str:
    with opened(path, ["GIF"]) as picture:
        comment = picture.info.get("comment", b"")
    return comment.decode(errors="replace") if isinstance(comment, bytes) else str(comment)


def _mp4_comment(path: Path) -> str:
    """The comment in the metadata as ffmpeg prints it, a line NAME=VALUE with special characters escaped by \\."""
    if not path.is_file():
        raise AIGCError("There is no file '{path}'.", path=path)
    command = [_ffmpeg(), "-loglevel", "quiet", "-f", "mp4", "-i", f"file:{path}", "-f", "ffmetadata", "-"]
    try:
        printed = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=READING_SECONDS
        ).stdout
    except subprocess.TimeoutExpired:
        return ""
    found = re.search(r"^comment=(.*)$", printed.decode(errors="replace"), re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""
