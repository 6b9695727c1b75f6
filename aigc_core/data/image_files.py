"""Image files → pixels: the one place that hands a file to Pillow's parsers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy
from PIL import ExifTags, Image, ImageOps

from aigc_core.errors import AIGCError

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF")
"""What is read where the installed Pillow can: others are rare as photographs, and some run programs."""
MAX_PIXELS = 50_000_000
LARGE_PIXELS = 4_000_000
"""Files with more pixels are decoded one at a time, so that threads do not multiply the memory that they need."""
# EXIF 3.0, section 4.6.5.1.6, "Orientation": how the stored rows and columns come to stand upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_large = Lock()


@cache
def readable_suffixes() -> dict[str, str]:
    """The suffixes, in small letters, of the files that can be read here, and their formats."""
    with suppress(ImportError):  # an extra
        import pillow_heif  # pyright: ignore[reportMissingImports]  (it need not be installed)

        pillow_heif.register_heif_opener()
    known = Image.registered_extensions().items()
    return {suffix: kind for suffix, kind in known if kind in FORMATS and kind in Image.OPEN}


@contextmanager
def opened(file: Path | BinaryIO, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """A file as Pillow's image, whose pixels are decoded when they are first used.

    Raises AIGCError, which names the file, if it is none of the formats, is damaged or has more than 50 million
    pixels: whatever Pillow raises, here or in the body.
    """
    name = file if isinstance(file, Path) else getattr(file, "name", "the upload")
    try:
        readable = {*readable_suffixes().values()}
        with Image.open(file, formats=[kind for kind in formats if kind in readable]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except AIGCError:
        raise
    except Image.DecompressionBombError:
        raise AIGCError(
            "'{path}' has more than {limit} million pixels; scale it down.", path=name, limit=MAX_PIXELS // 1_000_000
        ) from None
    except Exception as error:  # Pillow's parsers raise whatever their code runs into, and more kinds in each version
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        reason = reason.splitlines()[0].rstrip(".")
        raise AIGCError("'{path}' cannot be read as an image ({reason}).", path=name, reason=reason) from None


def image_size(file: Path | BinaryIO) -> tuple[int, int]:
    """The stored width and height in pixels, by the file's header. Raises AIGCError as `opened` does."""
    with opened(file) as image:
        return image.size


def read_image(file: Path | BinaryIO, resolution: int, channels: int) -> numpy.ndarray:
    """An image file as uint8 [channels, resolution, resolution]: upright, centre square, transparency on white.

    Raises AIGCError as `opened` does.
    """
    with opened(file) as image:
        if image.width * image.height > LARGE_PIXELS:
            with _large:
                return _fitted(image, resolution, channels)
        return _fitted(image, resolution, channels)


def _fitted(image: Image.Image, resolution: int, channels: int) -> numpy.ndarray:
    """uint8 [channels, resolution, resolution]; each step lets go of the image before it."""
    image = _upright(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((numpy.asarray(image) >> 8).astype(numpy.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.LANCZOS)
    return numpy.asarray(image).reshape(resolution, resolution, channels).transpose(2, 0, 1).copy()


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says, whatever else that holds.

    `ImageOps.exif_transpose`, which Pillow applies to a TIFF on its own, writes all of the EXIF anew and fails on any
    tag that is mistyped; so the orientation is taken out before the pixels are decoded.
    """
    try:
        orientation = image.getexif().pop(ExifTags.Base.Orientation, 1)
    except Exception:  # as in `opened`; pixels beside an EXIF that cannot be parsed are whole
        orientation = 1
    image.load()
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
