"""How much memory evaluating folders and writing samples takes, against the size and the number of images.

Each row is a process of its own: its peak resident memory, and how much of that came on top of what it held when its
libraries and its model were loaded. The features of all images, which have to be held, are part of it. With words, only
rows whose names contain one of them are measured.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy
from PIL import Image

from .report import print_table

ROOT = Path(__file__).parents[2]
EXTRACTOR, CHECKPOINT = "cifar10-classifier", "checkpoints/fashion-mnist"
FOLDERS = ((64, 100), (64, 1000), (256, 50), (256, 250), (512, 60), (1024, 20))
"""Pixels a side, and images in either folder."""
SAMPLES = (("gif", 50), ("gif", 500), ("mp4", 500), ("npz", 10_000))


def write_folder(folder: Path, side: int, count: int, seed: int) -> Path:
    """So many pictures of coloured blocks and noise."""
    random = numpy.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        blocks = random.integers(0, 200, (8, 8, 3), dtype=numpy.uint8)
        pixels = numpy.kron(blocks, numpy.ones((side // 8, side // 8, 1), numpy.uint8))
        pixels = pixels + random.integers(0, 50, pixels.shape, dtype=numpy.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png", compress_level=1)
    return folder


def peak_of(command: list[str], cache: Path) -> tuple[float, float, float]:
    """Peak memory of a command in MiB: in all, above its libraries and model, and of programs that it started."""
    words = [sys.executable, "-m", "tests.benchmarks.memory", "--child", *command]
    printed = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"AIGC_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    peak, above, others = map(float, printed.split()[-3:])
    return peak, above, others


def child(words: list[str]) -> None:
    """Run one command, and print its peak memory."""
    from aigc_core.cli import main as run
    from aigc_core.evaluation import evaluate  # noqa: F401
    from aigc_core.metrics.extractors import load_extractor
    from aigc_core.pipeline import Checkpoint
    from aigc_core.sampling import interpolation  # noqa: F401

    kept = load_extractor(EXTRACTOR), Checkpoint.from_pretrained(CHECKPOINT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if run(words):
        raise SystemExit(1)
    del kept
    own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(own / 1024, (own - before) / 1024, others / 1024)


def rows(words: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """The rows whose names contain one of the words, or all of them without any."""

    def is_wanted(name: str) -> bool:
        return not words or any(word in name for word in words)

    with tempfile.TemporaryDirectory() as scratch:
        for number, (side, count) in enumerate(FOLDERS):
            name = f"`evaluate --folder`, {count:,} + {count:,} images of {side} × {side}"
            if not is_wanted(name):
                continue
            place = Path(scratch) / str(number)
            place.mkdir()
            ours, real = (write_folder(place / name, side, count, seed) for seed, name in enumerate(("ours", "real")))
            command = ["evaluate", "--folder", str(ours), "--reference", str(real), "--extractor", EXTRACTOR]
            peak, above, _ = peak_of([*command, "--metrics", "fid", "kid", "precision"], Path(scratch) / "cache")
            yield name, f"{peak:,.0f} MiB", f"{above:,.0f} MiB", "–"
        for kind, count in SAMPLES:
            name = f"`sample --num {count} --out samples.{kind}`"
            if not is_wanted(name):
                continue
            command = ["sample", CHECKPOINT, "--num", str(count), "--out", f"{scratch}/samples-{count}.{kind}"]
            peak, above, others = peak_of(command, Path(scratch) / "cache")
            encoder = f"{others:,.0f} MiB" if kind == "mp4" else "–"
            yield name, f"{peak:,.0f} MiB", f"{above:,.0f} MiB", encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of the names of the rows to measure")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    head = ["command", "peak", "above libraries and model", "ffmpeg beside it"]
    print_table(f"Peak memory, extractor `{EXTRACTOR}`, model `{CHECKPOINT}`", head, [*rows(arguments.words)])


if __name__ == "__main__":
    main()
