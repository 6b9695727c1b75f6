"""`python -m aigc_core sample`: write samples of a checkpoint as PNG files or one NPZ."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy

from ..checkpoint import Checkpoint
from ..config import parse_config
from ..provenance import png_bytes, single_requests
from ..sampling import SampleRequest, sample


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="folder, folder@step-…, or owner/name on the Hub")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--num", default="16", help="how many images; image k has seed + k")
    parser.add_argument("--out", required=True, help="a folder, a .png file (one image), or a .npz file")
    parser.add_argument("--label", default="", help="classes by number or name: 3; Bag,Coat; Bag:0.7+Coat:0.3")
    parser.add_argument("--truncation", default="1")
    parser.add_argument("--format", choices=["png", "npz"], default=None)


def run(arguments: Namespace) -> int:
    values = {
        "checkpoint": arguments.checkpoint,
        "seed": arguments.seed,
        "count": arguments.num,
        "labels": arguments.label,
        "truncation": arguments.truncation,
    }
    request = parse_config(SampleRequest, values, "Sample request")
    samples = sample(Checkpoint.from_pretrained(arguments.checkpoint), request)
    out = Path(arguments.out)
    if arguments.format == "npz" or out.suffix == ".npz":
        out.parent.mkdir(parents=True, exist_ok=True)
        numpy.savez_compressed(out, samples=samples.images.numpy(), labels=samples.labels.numpy())
        return 0
    one_file = out.suffix == ".png" and request.count == 1
    (out.parent if one_file else out).mkdir(parents=True, exist_ok=True)
    for image, single in zip(samples.images, single_requests(request, samples.labels)):
        (out if one_file else out / f"seed-{single.seed}.png").write_bytes(png_bytes(image, single))
    return 0
