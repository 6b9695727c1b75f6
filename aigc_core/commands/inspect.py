"""`python -m aigc_core inspect`: read the provenance of a PNG and check that its pixels can be made again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from aigc_core.checkpoint.folder import Checkpoint
from aigc_core.sampling.provenance import DIGITAL_SOURCE_TYPE, read_png
from aigc_core.sampling.sample import image_grid, sample

from ..errors import AIGCError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="a PNG made by AIGC Studio")
    parser.add_argument("--checkpoint", help="where the model is now, if not where the image says")


def run(arguments: Namespace) -> int:
    pixels, provenance = read_png(Path(arguments.file))
    generated = provenance.source_type == DIGITAL_SOURCE_TYPE and provenance.aigc.get("Label") == "1"
    print(f"AI-generated: {'yes' if generated else 'not stated'} ({provenance.source_type})")
    print("AIGC (GB 45438-2025): " + ", ".join(f"{key} {value}" for key, value in provenance.aigc.items() if value))
    print(f"weights: sha256 {provenance.weights}")
    request = provenance.request
    if request is None:
        raise AIGCError("This image was not made from a seed alone, so it cannot be made again.")
    print(f"request: {request.canonical()}")
    reference = arguments.checkpoint or request.checkpoint
    if not reference:
        raise AIGCError("This image does not say where its model is; name it with --checkpoint.")
    checkpoint = Checkpoint.from_pretrained(reference)
    if checkpoint.weights_sha256 != provenance.weights:
        raise AIGCError(
            f"This image was made with other weights than those of '{reference}', whose sha256 is "
            f"{checkpoint.weights_sha256}; name the right model with --checkpoint."
        )
    side = checkpoint.config.image_shape.resolution
    height, width = pixels.shape[1:]
    columns = min(max(1, width // side), request.count)
    expected = (-(-request.count // columns) * side, columns * side)
    if expected != (height, width):
        raise AIGCError(
            "The pixels do not match: the request makes "
            f"{expected[1]:,} × {expected[0]:,}, the file has {width:,} × {height:,}."
        )
    if len(pixels) == 4:
        raise AIGCError("The pixels do not match: some are transparent; the image was changed after it was made.")
    again = image_grid(sample(checkpoint, request).images, columns)
    # A grey image may have been saved in colour, or the other way; another device or batch size may round otherwise.
    differences = (again.int() - pixels.int()).abs()
    if differences.max() > 1:
        raise AIGCError(
            f"The pixels do not match: {(differences > 1).float().mean():.1%} of the values differ, by up to "
            f"{differences.max()} of 255; the image was changed after it was made."
        )
    print("pixels: made again, and they match" + (", to within 1 of 255" if differences.any() else ""))
    return 0
