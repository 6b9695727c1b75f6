"""`python -m aigc_core sample`: write samples of a checkpoint as PNG, NPZ, GIF or MP4."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy

from aigc_core.checkpoint.folder import Checkpoint
from aigc_core.files import atomic_write
from aigc_core.sampling.interpolation import CURVES, interpolate, write_movie
from aigc_core.sampling.provenance import save_png
from aigc_core.sampling.sample import SampleRequest, image_grid, sample

from ..config import parse_config
from ..device import best_device
from ..errors import AIGCError

FORMATS = ("png", "npz", "gif", "mp4")
OTHER_PICTURES = ("jpg", "jpeg", "webp", "bmp", "tif", "tiff")
MOVIE_FRAMES, STRIP_FRAMES = 20, 5
"""Images from one seed to the next."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="folder, folder@step-…, or owner/name on the Hub")
    parser.add_argument("--seed", default="0", help="seed of the first image")
    parser.add_argument("--num", default="16", help="how many images; image k has seed + k")
    parser.add_argument("--out", required=True, help="a folder, or a file: a grid where it is a .png")
    parser.add_argument("--label", default="", help="classes by number or name: 3; Bag,Coat; Bag:0.7+Coat:0.3; 3\\+")
    parser.add_argument("--truncation", default="1", help="0 to 1; smaller is closer to the average image")
    parser.add_argument("--format", choices=FORMATS, help="gif and mp4 lead through the seeds and back")
    parser.add_argument(
        "--interpolate", choices=CURVES, help="the way between the seeds: as a strip in a .png, or as gif or mp4"
    )


def run(arguments: Namespace) -> int:
    values = {
        "checkpoint": arguments.checkpoint,
        "seed": arguments.seed,
        "count": arguments.num,
        "labels": arguments.label,
        "truncation": arguments.truncation,
    }
    request = parse_config(SampleRequest, values, "Sample request")
    out = Path(arguments.out)
    suffix = out.suffix.removeprefix(".").lower()
    if suffix in FORMATS and arguments.format not in (None, suffix):
        raise AIGCError(f"--out {out} and --format {arguments.format} contradict each other.")
    if suffix in OTHER_PICTURES:
        raise AIGCError(f"--out {out}: samples are written as {', '.join(FORMATS)}, which say where they come from.")
    kind = arguments.format or (suffix if suffix in FORMATS else "png")
    if arguments.interpolate and kind == "npz":
        raise AIGCError("--interpolate makes a png, gif or mp4; an npz holds the samples of seeds.")
    checkpoint = Checkpoint.from_pretrained(arguments.checkpoint, device=best_device())
    if kind == "png" and not arguments.interpolate:
        sample(checkpoint, request).save(out)
        return _say(request.count, "image", out)
    file = out if suffix == kind else out / f"samples.{kind}"
    if kind in ("gif", "mp4"):
        frames = interpolate(checkpoint, request.singles(), MOVIE_FRAMES, arguments.interpolate or CURVES[0])
        write_movie(file, frames)
        return _say(len(frames), "frame", file)
    if arguments.interpolate:
        strip = interpolate(checkpoint, request.singles(), STRIP_FRAMES, arguments.interpolate, loop=False)
        save_png(file, image_grid(strip, len(strip)), None, checkpoint.weights_sha256)
        return _say(len(strip), "image", file)
    samples = sample(checkpoint, request)
    with atomic_write(file) as unfinished:
        numpy.savez_compressed(unfinished, samples=samples.images.numpy(), labels=samples.labels.numpy())
    return _say(request.count, "image", file)


def _say(count: int, what: str, path: Path) -> int:
    """Print what was written: where on stdout, as other commands do, for programs to read; the count on stderr."""
    print(f"{count:,} {what}{'' if count == 1 else 's'} written to:", file=sys.stderr)
    print(path)
    return 0
