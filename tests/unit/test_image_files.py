"""Pictures as cameras, browsers and broken programs write them; EXIF by hand, after the standard."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy
import pytest
from PIL import Image

from aigc_core import AIGCError
from aigc_core.data.image_files import read_image

SHORT, RATIONAL = 3, 5
ORIENTATION = 0x0112
DESCRIPTION, MAKER, EXPOSURE, WIDTH = 0x010E, 0x010F, 0x829A, 0x0100


def exif(*entries: tuple[int, int, bytes]) -> bytes:
    """An EXIF block of one directory: tag, type and the one value's bytes (TIFF 6.0, section 2)."""
    directory, values = struct.pack(">H", len(entries)), b""
    for tag, kind, value in entries:
        place = (
            struct.pack(">I", 8 + 2 + 12 * len(entries) + 4 + len(values)) if len(value) > 4 else value.ljust(4, b"\0")
        )
        values += value if len(value) > 4 else b""
        directory += struct.pack(">HHI", tag, kind, 1) + place
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + directory + bytes(4) + values


def orientation(value: int) -> tuple[int, int, bytes]:
    return ORIENTATION, SHORT, struct.pack(">H", value)


def fraction(tag: int, numerator: int, denominator: int) -> tuple[int, int, bytes]:
    return tag, RATIONAL, struct.pack(">II", numerator, denominator)


QUADRANTS = numpy.kron(numpy.array([[10, 90], [170, 250]], numpy.uint8), numpy.ones((16, 16), numpy.uint8))
"""What stands upright: dark above, bright below."""
# Where the stored first row and first column lie in the upright image (EXIF 3.0, section 4.6.5.1.6).
STORED = {
    1: QUADRANTS,
    2: QUADRANTS[:, ::-1],
    3: QUADRANTS[::-1, ::-1],
    4: QUADRANTS[::-1],
    5: QUADRANTS.T,
    6: QUADRANTS.T[::-1],
    7: QUADRANTS.T[::-1, ::-1],
    8: QUADRANTS.T[:, ::-1],
}


@pytest.mark.parametrize("value", STORED)
@pytest.mark.parametrize("kind", ["jpeg", "tiff", "png", "webp"])
def test_every_orientation_stands_upright(kind: str, value: int, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{kind}"
    block = exif(orientation(value))
    Image.fromarray(numpy.ascontiguousarray(STORED[value])).save(path, exif=block, quality=100, lossless=True)
    upright = read_image(path, 32, 1)[0]
    assert numpy.abs(upright[4::16, 4::16].astype(int) - QUADRANTS[4::16, 4::16]).max() <= 6


@pytest.mark.parametrize(
    "others",
    [
        [fraction(DESCRIPTION, 1, 3)],
        [fraction(MAKER, 1, 0), fraction(EXPOSURE, 0, 0)],
        [fraction(WIDTH, 1, 0)],
        [(DESCRIPTION, 99, b"\xff" * 4)],
    ],
    ids=["a number for a text", "divided by zero", "no number for a size", "an unknown type"],
)
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_mistyped_tag_does_not_keep_a_picture_from_being_turned(
    kind: str, others: list[tuple[int, int, bytes]], tmp_path: Path
) -> None:
    path = tmp_path / f"picture.{kind}"
    Image.fromarray(numpy.ascontiguousarray(STORED[6])).save(path, exif=exif(*others, orientation(6)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upright = read_image(path, 32, 1)[0]
    assert numpy.abs(upright[4::16, 4::16].astype(int) - QUADRANTS[4::16, 4::16]).max() <= 6


def test_a_mistyped_tag_in_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "picture.tif"
    Image.fromarray(numpy.ascontiguousarray(STORED[6])).save(path, exif=exif(orientation(6)))
    # The software's name, a text, which Pillow writes itself, becomes a fraction.
    content = path.read_bytes()
    with Image.open(path) as picture:
        assert picture.tag_v2[ORIENTATION] == 6  # type: ignore[attr-defined]
    first = struct.unpack("<I", content[4:8])[0]
    entry = first + 2 + 12 * (struct.unpack("<H", content[first : first + 2])[0] - 1)
    path.write_bytes(content[:entry] + struct.pack("<HHII", 0xC612, RATIONAL, 1, 0) + content[entry + 12 :])
    assert numpy.array_equal(read_image(path, 32, 1)[0], QUADRANTS)


def test_pixels_beside_an_exif_that_is_none_are_read(tmp_path: Path) -> None:
    Image.fromarray(QUADRANTS).save(tmp_path / "picture.png", exif=b"Exif\0\0nothing of the kind")
    assert numpy.array_equal(read_image(tmp_path / "picture.png", 32, 1)[0], QUADRANTS)


def test_whatever_the_parser_raises_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(QUADRANTS).save(path)
    for error in (
        ZeroDivisionError("division by zero"),
        AttributeError("'X' has no 'y'"),
        RuntimeError(),
        OSError(5, "I/O"),
    ):

        def fail(self: Image.Image, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Image.Image, "convert", fail)
        with pytest.raises(AIGCError, match=r"picture.png' cannot be read as an image \(.+\)\.$"):
            read_image(path, 8, 1)


def test_a_jpeg_is_decoded_whole_before_it_is_scaled(tmp_path: Path) -> None:
    """At 512 pixels for 64: what JPEG adds to the pixels is what its full decoding adds, no less precise scaling."""
    noise = numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=numpy.uint8)
    picture = Image.fromarray(noise).resize((512, 512), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "picture.jpg", quality=100, subsampling=0)
    buffer = io.BytesIO()
    with Image.open(tmp_path / "picture.jpg") as decoded:
        decoded.save(buffer, "PNG")
    from_jpeg, from_png = read_image(tmp_path / "picture.jpg", 64, 3), read_image(buffer, 64, 3)
    assert numpy.array_equal(from_jpeg, from_png)
