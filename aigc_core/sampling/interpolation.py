"""From image to image through latent space: the frames, as a strip, a GIF or an MP4 that loops."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

import torch
from PIL import GifImagePlugin, Image, ImageChops
from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Condition, SamplerOptions, latent_model
from aigc_core.files import atomic_write
from aigc_core.modalities.png import to_picture
from aigc_core.modalities.provenance import DIGITAL_SOURCE_TYPE, aigc_label

from .request import SampleRequest
from .sample import BATCH_SIZE, render, request_codes

Curve = Literal["spherical", "linear"]
CURVES: tuple[Curve, ...] = get_args(Curve)
FRAMES_PER_SECOND = 20
WATCHABLE_SIDE = 256
MAX_FRAMES = 10_000
TOO_FEW = Sentence("An interpolation needs at least two images to lead through.")


def interpolate(
    checkpoint: StoredCheckpoint,
    requests: Sequence[SampleRequest],
    frames: int = 20,
    curve: Curve = "spherical",
    loop: bool = True,
) -> Iterator[Tensor]:
    """N frames uint8 [C, R, R], one after another, that lead through the images of single requests.

    `frames` lie between two of them; with `loop` the way leads back to the first (N = requests · frames), else it
    ends at the last (N = (requests − 1) · frames + 1). Codes, which carry truncation and offsets, go along
    `curve`, in W about its mean; class weights are mixed linearly. All are decoded with the options of the first
    request. Raises AIGCError for fewer than two requests.
    """
    stops = [request_codes(checkpoint, request.model_copy(update={"count": 1})) for request in requests]
    if not stops:
        raise AIGCError(TOO_FEW)
    condition = Condition(torch.cat([stop.classes for _, stop in stops]))
    codes, options = torch.cat([codes for codes, _ in stops]), requests[0].options_of(checkpoint.model)
    return interpolate_codes(checkpoint, codes, condition, frames, curve, loop, options)


def interpolate_codes(
    checkpoint: StoredCheckpoint,
    codes: Tensor,
    condition: Condition,
    frames: int = 20,
    curve: Curve = "spherical",
    loop: bool = True,
    options: SamplerOptions | None = None,
) -> Iterator[Tensor]:
    """As `interpolate`, through codes float32 [N, ...], what they are to be and options, as `render` takes them."""
    stops = len(codes)
    if stops < 2:
        raise AIGCError(TOO_FEW)
    if not 1 <= frames <= MAX_FRAMES // stops:
        raise AIGCError("An interpolation has at least 1 and in all at most {limit} frames.", limit=MAX_FRAMES)
    return _frames(checkpoint, codes, condition, frames, curve, loop, options)


def _frames(
    checkpoint: StoredCheckpoint,
    codes: Tensor,
    condition: Condition,
    frames: int,
    curve: Curve,
    loop: bool,
    options: SamplerOptions | None,
) -> Iterator[Tensor]:
    stops = len(codes)
    centre = latent_model(checkpoint.model).code_centre
    along = torch.lerp if curve == "linear" else slerp
    pairs = stops if loop else stops - 1
    for positions in torch.arange(pairs * frames + (not loop)).split(BATCH_SIZE):
        start = positions // frames % stops
        end = (start + 1) % stops
        share = (positions % frames / frames).to(codes.device)
        shares = share.view(-1, *[1] * (codes.ndim - 1))
        path = centre + along(codes[start] - centre, codes[end] - centre, shares)
        classes = torch.lerp(condition.classes[start], condition.classes[end], share.cpu()[:, None])
        yield from render(checkpoint, path, Condition(classes), options)


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Spherical linear interpolation along the last dimension (Shoemake 1985, equation for Slerp).

    Float [..., D] each, `share` in [0, 1] and broadcastable; linear where the directions (almost) coincide.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).unsqueeze(-1)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    arc = ((1 - share) * angle).sin() / sine * start + (share * angle).sin() / sine * end
    return torch.where(sine > 1e-4, arc, torch.lerp(start, end, share))


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
