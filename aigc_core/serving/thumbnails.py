"""A row of a checkpoint's samples, small enough for a cell of a table."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from aigc_core.errors import AIGCError
from aigc_core.modalities.base import build_modality
from aigc_core.modalities.image import image_grid
from aigc_core.modalities.png import to_picture

from .leaderboard import MAX_VERSIONS, Entry

SHOWN = 4
SIDE = 32
QUALITY = 70
"""Of WebP, in which a row takes one or two kilobytes."""


def thumbnail(entry: Entry) -> str | None:
    """The first samples that a checkpoint shows, side by side, as the address of a picture that it holds itself.

    Sounds are shown as spectrograms. None for kinds without pictures, and where the folder of the entry has no samples
    or damaged ones: nothing is drawn or fetched.
    """
    config = entry.config
    if entry.folder is None or config is None or not config.sample_kind.has_pictures:
        return None
    preview = entry.folder / config.sample_kind.preview_file
    try:
        stat = preview.stat()
    except OSError:
        return None
    version = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return _row(config.modality, tuple(sorted(config.shape.items())), preview, version)


@lru_cache(MAX_VERSIONS)
def _row(modality: str, shape: tuple[tuple[str, Any], ...], preview: Path, version: tuple[int, ...]) -> str | None:
    """The picture of a version of a file, drawn once."""
    kind = build_modality(modality, dict(shape))
    try:
        pictures = kind.pictures(kind.read_preview(preview, SHOWN))
    except AIGCError:
        return None
    if not len(pictures):
        return None
    row = to_picture(image_grid(pictures, len(pictures))).convert("RGB")
    content = BytesIO()
    row.resize((SIDE * row.width // row.height, SIDE), Image.Resampling.LANCZOS).save(content, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + b64encode(content.getvalue()).decode()
