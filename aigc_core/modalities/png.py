"""PNG files that say what they are: an XMP packet in an iTXt chunk and, as appendix B of the Chinese guide
TC260-PG-20259A asks for, the label of GB 45438-2025 in a tEXt chunk `AIGC`."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

import numpy
import torch
from PIL import Image
from torch import Tensor

from aigc_core.data.image_files import opened
from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import atomic_write

from .provenance import Provenance, Statement, parse_packet, xmp_packet

XMP_KEYWORD = "XML:com.adobe.xmp"
COLOUR_TYPES = {1: 0, 3: 2}
"""PNG's numbers for grey and RGB by channels (ISO 15948, table 11.1)."""
UP_FILTER = 2
"""PNG's filter by which a byte is its difference to the one above (ISO 15948, section 9.2)."""


def to_picture(image: Tensor) -> Image.Image:
    """uint8 [C, H, W] → a PIL image, grey or RGB."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())


def png_bytes(image: Tensor, statement: Statement) -> bytes:
    """A PNG of an image uint8 [C, H, W], grey or RGB, of one sample or a whole grid, that carries its provenance."""
    return png_files(image.unsqueeze(0), [statement])[0]


def png_files(images: Tensor, statements: Sequence[Statement]) -> list[bytes]:
    """The `png_bytes` of each of the images uint8 [N, C, H, W].

    They are encoded here as a server makes many small ones, of which Pillow's general way takes most of the time.
    """
    count, channels, height, width = images.shape
    pixels = images.permute(0, 2, 3, 1).reshape(count, height, width * channels).numpy()
    rows = numpy.full((count, height, 1 + width * channels), UP_FILTER, dtype=numpy.uint8)
    rows[:, :, 1:] = pixels
    rows[:, 1:, 1:] -= pixels[:, :-1]
    size = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    begin, end = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", size), _png_chunk(b"IEND", b"")
    files = []
    for statement, image, filtered in zip(statements, images, rows, strict=True):
        provenance = Provenance.of(statement, image)
        packet = XMP_KEYWORD.encode() + bytes(5) + xmp_packet(provenance).encode()
        label = b"AIGC\0" + json.dumps({"AIGC": provenance.aigc}).encode()
        texts = _png_chunk(b"iTXt", packet) + _png_chunk(b"tEXt", label)
        files.append(begin + texts + _png_chunk(b"IDAT", zlib.compress(filtered.data, level=1)) + end)
    return files


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    """PNG (ISO 15948), section 5.3."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def save_png(path: Path, image: Tensor, statement: Statement) -> None:
    """Write `png_bytes`. Raises AIGCError when the disk is full or not writable."""
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(png_bytes(image, statement))


def read_png(file: Path | BinaryIO) -> tuple[Tensor, Provenance]:
    """The pixels of a PNG and its provenance, before or behind the pixels.

    Pixels are uint8 [C, H, W], with a C of 1 for a grey file, 3 for one in colour (of a palette too), and 4 where a
    pixel is transparent. Raises AIGCError when the file is not a PNG, is damaged or larger than 50 megapixels, or says
    nothing of where it comes from.
    """
    name = getattr(file, "name", "the file")
    if what := _other_file(file):
        raise AIGCError("'{name}' {what}.", name=name, what=what)
    with opened(file, ["PNG"]) as picture:
        picture.load()  # Pillow bounds what texts may inflate to
        packet = str(picture.info.get(XMP_KEYWORD, ""))
        pixels = _plain_pixels(picture)
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1), parse_packet(packet, name)


def _plain_pixels(picture: Image.Image) -> numpy.ndarray:
    """The pixels uint8 [H, W] or [H, W, C] of a picture, in the fewest channels that lose nothing."""
    if picture.mode.startswith("I"):  # grey of 16 bits
        return (numpy.array(picture) >> 8).astype(numpy.uint8)
    if picture.has_transparency_data and picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        return numpy.array(picture.convert("RGBA"))
    return numpy.array(picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"))


OTHER_FILES = {
    rb"GIF8": Sentence("is a GIF, which says that it is AI-generated, but not by what request; give a PNG"),
    rb".{4}ftyp": Sentence("is an MP4, which says that it is AI-generated, but not by what request; give a PNG"),
    rb"\xff\xd8\xff": Sentence(
        "is a JPEG, which keeps neither the request nor the pixels; give the PNG that it was made from"
    ),
    rb"RIFF.{4}WEBP": Sentence("is a WebP file, which keeps no request; give the PNG that it was made from"),
    rb"PK\x03\x04": Sentence("is an archive (zip or NPZ); unpack it and inspect the PNG files in it"),
}
"""The first bytes of files that are likely to be mistaken for our PNGs, and what an error says they are."""


def _other_file(file: Path | BinaryIO) -> str:
    """What a file is if it is not a PNG; empty for a PNG, or if it cannot be read."""
    with suppress(OSError), file.open("rb") if isinstance(file, Path) else nullcontext(file) as stream:
        stream.seek(0)
        begin = stream.read(16)
        known = (what for pattern, what in OTHER_FILES.items() if re.match(pattern, begin, re.DOTALL))
        return "" if begin.startswith(b"\x89PNG") else next(known, Sentence("is not a PNG"))
    return ""
