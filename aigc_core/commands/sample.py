"""`python -m aigc_core sample`: write samples of a checkpoint in the files that their modality has."""

from __future__ import annotations

import math
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from mimetypes import guess_type
from pathlib import Path

import torch

from aigc_core.batching import samples_that_fit
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.base import Modality
from aigc_core.modalities.provenance import Statement
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.grid import Axis, Grid, check_has_pictures
from aigc_core.sampling.interpolation import CURVES, interpolate
from aigc_core.sampling.request import REQUEST, SampleRequest
from aigc_core.sampling.sample import sample, sample_all

from .destination import destination
from .statements import add_state, named_values, stated_of

MOVIE_FRAMES, STRIP_FRAMES = 20, 5
"""Samples from one seed to the next."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="folder, folder@step-…, or owner/name on the Hub")
    parser.add_argument("--seed", default="0", help="seed of the first sample")
    parser.add_argument("--count", default="16", help="how many samples; sample k has seed + k")
    parser.add_argument("--out", required=True, type=destination, help="a folder, or a file: a grid where it is a .png")
    parser.add_argument("--labels", default="", help="classes by number or name: 3; Bag,Coat; Bag:0.7+Coat:0.3; 3\\+")
    parser.add_argument("--prompt", default="", help="what each sample begins with, for models that take it")
    for earlier, name in (("--num", "count"), ("--label", "labels")):  # as commands that people kept have it
        parser.add_argument(earlier, dest=name, default=SUPPRESS, help=SUPPRESS)
    parser.add_argument("--truncation", help="0 to 1; smaller is closer to the average image")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another option of the model's family"
    )
    add_state(parser)
    parser.add_argument("--format", help="such as png, npz, gif or mp4; the last two lead through the seeds and back")
    parser.add_argument(
        "--interpolate", choices=CURVES, help="the way between the seeds: as a strip in a .png, or as gif or mp4"
    )
    sides = "of a grid with labels, in one .png: seed=1-8, class=Bag,Coat, step=100,final, truncation=0.5,0.7,1"
    parser.add_argument("--x", metavar="NAME=VALUES", help=f"the columns {sides}")
    parser.add_argument("--y", metavar="NAME=VALUES", help="the rows of the grid")


def run(arguments: Namespace) -> int:
    values = {
        "checkpoint": arguments.checkpoint,
        "seed": arguments.seed,
        "count": arguments.count,
        "labels": arguments.labels,
        "prompt": arguments.prompt,
        "options": _options(arguments),
    }
    request = parse_config(SampleRequest, values, REQUEST)
    checkpoint = load_checkpoint(arguments.checkpoint, stated=stated_of(arguments))
    request, modality, out = request.normalised(checkpoint.model), checkpoint.modality, arguments.out
    if arguments.x or arguments.y:
        return _grid(checkpoint, request, arguments)
    suffix = _suffix(modality, out, arguments.format)
    one_file = out.suffix.lower() == suffix
    file = out if one_file else out / f"samples{suffix}"
    if suffix in modality.movies:
        frames = interpolate(checkpoint, request.singles(), MOVIE_FRAMES, arguments.interpolate or CURVES[0])
        modality.write_movie(file, frames)
        return _say(request.count * MOVIE_FRAMES, "frames", file)
    parts = request.parts(samples_that_fit(4 * math.prod(modality.map_shape or ()), at_most=1024))
    if suffix in modality.archives:
        if arguments.interpolate:
            raise AIGCError("--interpolate does not go with an archive, which holds the samples of seeds.")
        drawn = (sample(checkpoint, part) for part in parts)
        modality.write_archive(file, request.count, ((samples.stored, samples.labels) for samples in drawn))
    elif arguments.interpolate:
        count = (request.count - 1) * STRIP_FRAMES + 1
        modality.check_fits(count)
        frames = interpolate(checkpoint, request.singles(), STRIP_FRAMES, arguments.interpolate, loop=False)
        modality.write(file, torch.stack([*frames]), Statement("", checkpoint.weights_sha256), columns=count)
        return _say(count, modality.plural, file)
    elif one_file:
        modality.check_fits(request.count)
        sample(checkpoint, request).save(out)
    else:
        for part in parts:
            sample(checkpoint, part).save(out)
        file = out
    return _say(request.count, modality.plural, file)


def _grid(checkpoint: Checkpoint, request: SampleRequest, arguments: Namespace) -> int:
    """Write the picture of --x and --y around the first sample of a request. Raises AIGCError where there is none."""
    out, suffix = arguments.out, arguments.out.suffix.lower()
    if not (arguments.x and arguments.y) or arguments.format or arguments.interpolate:
        raise AIGCError("A grid takes both --x and --y, and neither --format nor --interpolate.")
    check_has_pictures(checkpoint.modality)
    if suffix != ".png" and not out.is_dir() and guess_type(f"x{suffix}", strict=False)[0]:
        raise AIGCError("A grid is written as .png, not as {suffix}.", suffix=suffix)
    file = out if suffix == ".png" else out / "grid.png"
    x, y = (
        Axis.parse(name, values, checkpoint.config)
        for option, side in (("--x", arguments.x), ("--y", arguments.y))
        for name, values in named_values(option, [side]).items()
    )
    grid = Grid.around(checkpoint, request, x, y, lambda some: sample_all(load_checkpoint(some[0].checkpoint), some))
    grid.save(file)
    return _say(len(grid.requests), checkpoint.modality.plural, file)


def _suffix(modality: Modality, out: Path, wanted: str | None) -> str:
    """The suffix of the files to write: that of --format, or of --out if it names a file, else the modality's own.

    Raises AIGCError where these contradict each other, or the modality has no such files.
    """
    suffix, named = out.suffix.lower(), f".{wanted}" if wanted else ""
    known = (*modality.suffixes, *modality.archives, *modality.movies)
    if named and suffix in known and suffix != named:
        raise AIGCError("--out {out} and --format {format} contradict each other.", out=out, format=wanted)
    is_other = suffix not in known and not out.is_dir() and guess_type(f"x{suffix}", strict=False)[0]
    if is_other or named and named not in (modality.file_suffix, suffix, *modality.archives, *modality.movies):
        raise AIGCError(
            "Samples of the kind '{name}' are not written as {suffix}; choose {formats}.",
            name=modality.name,
            suffix=named.removeprefix(".") or suffix.removeprefix("."),
            formats=", ".join(each.removeprefix(".") for each in known),
        )
    return named or (suffix if suffix in known else modality.file_suffix)


def _options(arguments: Namespace) -> dict[str, str]:
    """The options of the model's family, by name. Raises AIGCError for one without a value."""
    options = {} if arguments.truncation is None else {"truncation": arguments.truncation}
    return options | named_values("--set", arguments.set)


def _say(count: int, what: str, path: Path) -> int:
    """Print the count on stderr and the path on stdout, where programs read it."""
    print(f"{count:,} {what.removesuffix('s') if count == 1 else what} written to:", file=sys.stderr)
    print(path)
    return 0
