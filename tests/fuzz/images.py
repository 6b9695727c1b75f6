"""Image files with damaged headers, EXIF blocks and texts, through the decoder of data and the reader of our PNGs."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from random import Random

import numpy
import torch
from PIL import ExifTags, Image, PngImagePlugin

from aigc_core.data.image_files import image_size, read_image
from aigc_core.modalities.png import png_bytes, read_png
from aigc_core.modalities.provenance import Statement

from .mutations import EDGES, mutate_bytes
from .target import Target, try_each

SHAPES = {"1": (9, 7), "L": (9, 7), "RGB": (9, 7, 3), "RGBA": (9, 7, 4), "P": (9, 7), "LA": (9, 7, 2), "I;16": (9, 7)}
MODES = {
    "PNG": ("1", "L", "RGB", "RGBA", "P", "LA", "I;16"),
    "JPEG": ("L", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "TIFF": ("1", "L", "RGB", "RGBA", "P", "LA", "I;16"),
    "BMP": ("1", "L", "RGB"),
}


class Images(Target):
    short = 400

    def inputs(self, seed: int) -> Iterator[bytes]:
        random, valid = Random(seed), valid_files()
        yield from valid
        while True:
            data = random.choice(valid)
            for change in random.sample((mutate_bytes, _head_changed, _chunk_changed), random.choice((1, 1, 2))):
                data = change(random, data)
            yield data

    def attempt(self, data: bytes) -> str:
        def decode() -> None:
            for resolution, channels in ((32, 3), (28, 1)):
                pixels = read_image(io.BytesIO(data), resolution, channels)
                assert pixels.shape == (channels, resolution, resolution) and pixels.dtype == numpy.uint8

        def read() -> None:
            pixels, provenance = read_png(io.BytesIO(data))
            assert pixels.dtype == torch.uint8 and pixels.shape[0] in (1, 3, 4)
            assert all(isinstance(text, str) for text in (provenance.request, *provenance.aigc.values()))

        return try_each(size=lambda: image_size(io.BytesIO(data)), pixels=decode, provenance=read)


def valid_files() -> list[bytes]:
    """Small files of every format and mode, with EXIF and texts, and one of ours."""
    values = numpy.random.default_rng(0)
    files = []
    for kind, modes in MODES.items():
        for mode in modes:
            if mode == "I;16":
                picture = Image.fromarray(values.integers(0, 65536, SHAPES[mode]).astype(numpy.uint16))
            elif mode in ("1", "P"):
                picture = Image.fromarray(values.integers(0, 256, SHAPES[mode]).astype(numpy.uint8)).convert(mode)
            else:
                picture = Image.fromarray(values.integers(0, 256, SHAPES[mode]).astype(numpy.uint8))
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = 6
            exif[ExifTags.Base.Software] = "a camera"
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0a comment"
            more = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
            if kind == "PNG":
                texts = PngImagePlugin.PngInfo()
                texts.add_text("Comment", "a text", zip=True)
                texts.add_itxt("Title", "ein Titel", lang="de", zip=True)
                more["pnginfo"] = texts
            stream = io.BytesIO()
            picture.save(stream, kind, **more)
            files.append(stream.getvalue())
    files.append(png_bytes(torch.zeros(3, 8, 8, dtype=torch.uint8), Statement("seed=7", "0" * 64)))
    return files


def _head_changed(random: Random, data: bytes) -> bytes:
    """Where formats keep sizes, types and offsets."""
    return mutate_bytes(random, data[:64]) + data[64:]


def _chunk_changed(random: Random, data: bytes) -> bytes:
    """A chunk of a PNG changed, with a checksum that fits again; other files as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return data
    number = random.randrange(len(chunks))
    kind, content = chunks[number]
    match random.randrange(5):
        case 0:
            del chunks[number]
        case 1:
            chunks.insert(random.randrange(len(chunks)), (kind, content))
        case 2:
            chunks[number] = (random.choice((b"iTXt", b"zTXt", b"tEXt", b"eXIf", b"iCCP", b"PLTE", b"tRNS")), content)
        case 3 if kind == b"IHDR" and len(content) >= 8:
            chunks[number] = (kind, struct.pack(">II", *random.choices(EDGES, k=2)) + content[8:])
        case _:
            chunks[number] = (kind, mutate_bytes(random, content))
    written = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(c, zlib.crc32(k))) for k, c in chunks]
    return data[:8] + b"".join(written)
