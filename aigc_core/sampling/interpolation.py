"""From image to image through latent space: the frames, as a strip, a GIF or an MP4 that loops."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from aigc_core.checkpoint.folder import Checkpoint
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

from .provenance import DIGITAL_SOURCE_TYPE, aigc_label, to_picture
from .sample import SampleRequest, render, request_codes

Curve = Literal["spherical", "linear"]
CURVES: tuple[Curve, ...] = get_args(Curve)
FRAMES_PER_SECOND = 20
WATCHABLE_SIDE = 256
MAX_FRAMES = 10_000


def interpolate(
    checkpoint: Checkpoint,
    requests: Sequence[SampleRequest],
    frames: int = 20,
    curve: Curve = "spherical",
    loop: bool = True,
) -> Tensor:
    """Frames uint8 [N, C, R, R] that lead through the images of single requests.

    `frames` lie between two of them; with `loop` the way leads back to the first (N = requests · frames), else it
    ends at the last (N = (requests − 1) · frames + 1). Codes, which carry truncation and offsets, go along
    `curve`, in W about its mean; class weights are mixed linearly. Raises AIGCError for fewer than two requests.
    """
    stops = [request_codes(checkpoint, request.model_copy(update={"count": 1})) for request in requests]
    codes, labels = (torch.cat(parts) for parts in zip(*stops)) if stops else (torch.empty(0), torch.empty(0))
    return interpolate_codes(checkpoint, codes, labels, frames, curve, loop)


def interpolate_codes(
    checkpoint: Checkpoint,
    codes: Tensor,
    labels: Tensor,
    frames: int = 20,
    curve: Curve = "spherical",
    loop: bool = True,
) -> Tensor:
    """As `interpolate`, through codes float32 [N, ...] and labels [N, num_classes] as `sampling.render` takes them."""
    stops = len(codes)
    if stops < 2:
        raise AIGCError("An interpolation needs at least two images to lead through.")
    if not 1 <= frames <= MAX_FRAMES // stops:
        raise AIGCError(f"An interpolation has at least 1 and in all at most {MAX_FRAMES} frames.")
    centre = getattr(checkpoint.generator, "style_mean", torch.zeros((), device=codes.device))
    pairs = stops if loop else stops - 1
    position = torch.arange(pairs * frames + (not loop))
    start = position // frames % stops
    end = (start + 1) % stops
    share = (position % frames / frames).to(codes.device)
    along = torch.lerp if curve == "linear" else slerp
    shares = share.view(-1, *[1] * (codes.ndim - 1))
    path = centre + along(codes[start] - centre, codes[end] - centre, shares)
    return render(checkpoint, path, torch.lerp(labels[start], labels[end], share.cpu()[:, None]))


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


def write_movie(path: Path, frames: Tensor) -> None:
    """Write frames uint8 [N, C, R, R] as a GIF that repeats or an H.264 MP4, by the path's suffix, enlarged.

    Both state that they are AI-generated: the GIF in a comment, the MP4 in its metadata, with the key `AIGC` of GB
    45438-2025. Raises AIGCError when the disk is full or not writable, or there is no encoder for an MP4.
    """
    large = enlarge(frames)
    statement = {"DigitalSourceType": DIGITAL_SOURCE_TYPE, "AIGC": aigc_label(frames)}
    with atomic_write(path) as unfinished:
        if path.suffix.lower() == ".gif":
            _write_gif(unfinished, large, statement)
        else:
            _write_mp4(unfinished, large, statement)


def _write_gif(path: Path, frames: Tensor, statement: dict[str, Any]) -> None:
    first, *others = [to_picture(frame) for frame in frames]
    duration = 1000 // FRAMES_PER_SECOND
    first.save(path, save_all=True, append_images=others, loop=0, duration=duration, comment=json.dumps(statement))


def _write_mp4(path: Path, frames: Tensor, statement: dict[str, Any]) -> None:
    metadata = {"comment": json.dumps(statement), "AIGC": json.dumps(statement["AIGC"])}
    options = ["-crf", "16", "-movflags", "+faststart+use_metadata_tags"]
    for key, value in metadata.items():
        options += ["-metadata", f"{key}={value}"]
    command = [_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += [
        "-video_size",
        f"{frames.shape[-1]}x{frames.shape[-2]}",
        "-framerate",
        str(FRAMES_PER_SECOND),
        "-i",
        "-",
    ]
    # H.264 in 4:2:0 has sides of even numbers.
    command += ["-vf", "scale=ceil(iw/2)*2:ceil(ih/2)*2", "-codec:v", "libx264", "-pix_fmt", "yuv420p", *options]
    pixels = frames.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy().tobytes()
    encoder = subprocess.run([*command, str(path)], input=pixels, capture_output=True, check=False)
    if encoder.returncode:
        said = encoder.stderr.decode(errors="replace")
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
