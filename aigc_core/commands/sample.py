"""`python -m aigc_core sample`: write samples of a checkpoint as PNG, NPZ, GIF or MP4."""

from __future__ import annotations

import sys
import zipfile
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

import numpy
import torch

from aigc_core.batching import images_that_fit
from aigc_core.config import parse_config
from aigc_core.data.image_files import MAX_PIXELS
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.image import ImageModality, image_grid, image_kind
from aigc_core.modalities.png import save_png
from aigc_core.modalities.provenance import Statement
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.interpolation import CURVES, interpolate
from aigc_core.sampling.movie import write_movie
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample

from .statements import add_state, named_values, stated_of

FORMATS = ("png", "npz", "gif", "mp4")
OTHER_PICTURES = ("jpg", "jpeg", "webp", "bmp", "tif", "tiff")
MOVIE_FRAMES, STRIP_FRAMES = 20, 5
"""Images from one seed to the next."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="folder, folder@step-…, or owner/name on the Hub")
    parser.add_argument("--seed", default="0", help="seed of the first sample")
    parser.add_argument("--count", default="16", help="how many samples; sample k has seed + k")
    parser.add_argument("--out", required=True, help="a folder, or a file: a grid where it is a .png")
    parser.add_argument("--labels", default="", help="classes by number or name: 3; Bag,Coat; Bag:0.7+Coat:0.3; 3\\+")
    parser.add_argument("--prompt", default="", help="what each sample begins with, for models that take it")
    for earlier, name in (("--num", "count"), ("--label", "labels")):  # as commands that people kept have it
        parser.add_argument(earlier, dest=name, default=SUPPRESS, help=SUPPRESS)
    parser.add_argument("--truncation", help="0 to 1; smaller is closer to the average image")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another option of the model's family"
    )
    add_state(parser)
    parser.add_argument("--format", choices=FORMATS, help="gif and mp4 lead through the seeds and back")
    parser.add_argument(
        "--interpolate", choices=CURVES, help="the way between the seeds: as a strip in a .png, or as gif or mp4"
    )


def run(arguments: Namespace) -> int:
    values = {
        "checkpoint": arguments.checkpoint,
        "seed": arguments.seed,
        "count": arguments.count,
        "labels": arguments.labels,
        "prompt": arguments.prompt,
        "options": _options(arguments),
    }
    request = parse_config(SampleRequest, values, "Sample request")
    out = Path(arguments.out)
    suffix = out.suffix.removeprefix(".").lower()
    if suffix in FORMATS and arguments.format not in (None, suffix):
        raise AIGCError("--out {out} and --format {format} contradict each other.", out=out, format=arguments.format)
    if suffix in OTHER_PICTURES:
        raise AIGCError(
            "--out {out}: samples are written as {formats}, which say where they come from.",
            out=out,
            formats=", ".join(FORMATS),
        )
    kind = arguments.format or (suffix if suffix in FORMATS else "png")
    if arguments.interpolate and kind == "npz":
        raise AIGCError("--interpolate makes a png, gif or mp4; an npz holds the samples of seeds.")
    checkpoint = load_checkpoint(arguments.checkpoint, stated=stated_of(arguments))
    if not isinstance(checkpoint.modality, ImageModality):
        if arguments.format or arguments.interpolate:
            raise AIGCError(
                "--format and --interpolate are for images, not for {modality}.", modality=checkpoint.modality.name
            )
        sample(checkpoint, request).save(out)
        return _say(request.count, "sample", out)
    request, shape = request.normalised(checkpoint.model), checkpoint.modality
    pixels = shape.channels * shape.resolution**2
    parts = request.parts(images_that_fit(4 * pixels, at_most=1024))
    if kind == "png" and not arguments.interpolate:
        if suffix == "png":
            _check_grid(checkpoint, request.count)
            parts = iter([request])
        for part in parts:
            sample(checkpoint, part).save(out)
        return _say(request.count, "image", out)
    file = out if suffix == kind else out / f"samples.{kind}"
    if kind in ("gif", "mp4"):
        frames = interpolate(checkpoint, request.singles(), MOVIE_FRAMES, arguments.interpolate or CURVES[0])
        write_movie(file, frames)
        return _say(request.count * MOVIE_FRAMES, "frame", file)
    if arguments.interpolate:
        _check_grid(checkpoint, (request.count - 1) * STRIP_FRAMES + 1)
        frames = interpolate(checkpoint, request.singles(), STRIP_FRAMES, arguments.interpolate, loop=False)
        strip = torch.stack([*frames])
        save_png(file, image_grid(strip, len(strip)), Statement("", checkpoint.weights_sha256))
        return _say(len(strip), "image", file)
    with atomic_write(file) as unfinished:
        _write_npz(unfinished, checkpoint, request.count, parts)
    return _say(request.count, "image", file)


def _options(arguments: Namespace) -> dict[str, str]:
    """The options of the model's family, by name. Raises AIGCError for one without a value."""
    options = {} if arguments.truncation is None else {"truncation": arguments.truncation}
    return options | named_values("--set", arguments.set)


def _say(count: int, what: str, path: Path) -> int:
    """Print what was written: where on stdout, as other commands do, for programs to read; the count on stderr."""
    print(f"{count:,} {what}{'' if count == 1 else 's'} written to:", file=sys.stderr)
    print(path)
    return 0


def _check_grid(checkpoint: Checkpoint, count: int) -> None:
    """Raise AIGCError where so many images would make a picture that is too large to be opened again."""
    pixels = count * image_kind(checkpoint.modality).resolution ** 2
    if pixels > MAX_PIXELS:
        raise AIGCError(
            "{count} images make a picture of {megapixels} million pixels, and one may have {limit}; make fewer, or "
            "name a folder instead of a file.",
            count=count,
            megapixels=pixels // 1_000_000,
            limit=MAX_PIXELS // 1_000_000,
        )


def _write_npz(path: Path, checkpoint: Checkpoint, count: int, parts: Iterable[SampleRequest]) -> None:
    """Arrays `samples` uint8 [N, C, R, R] and `labels` float32 [N, num_classes], as numpy.savez_compressed writes them,
    without holding the first."""
    shape = image_kind(checkpoint.modality)
    size = (count, shape.channels, shape.resolution, shape.resolution)
    labels = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("samples.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": size}
            numpy.lib.format.write_array_header_1_0(file, header)
            for part in parts:
                samples = sample(checkpoint, part)
                file.write(samples.images.numpy().tobytes())
                labels.append(samples.labels.numpy())
        with archive.open("labels.npy", "w") as file:
            numpy.lib.format.write_array(file, numpy.concatenate(labels))
