"""Images on their way to the browser: files that can be downloaded, and sheets of small pictures to click on."""

from __future__ import annotations

import html
import os
import shutil
import tempfile
import threading
import time
import zipfile
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from gradio.utils import get_upload_folder

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.files import translate_io_errors
from aigc_core.modalities.png import png_bytes, png_files
from aigc_core.modalities.provenance import Statement
from aigc_core.sampling.request import SampleRequest

KEPT_SECONDS = 2 * 3600
KEPT_BYTES = 2 * 2**30
SWEEP_EVERY = 64
"""Folders between two looks at what may go."""

Picture = tuple[str, bytes]
"""The name of a file and its content."""

_lock = threading.Lock()
_measured: deque[tuple[Path, int]] = deque()
_unmeasured: list[Path] = []


def served_root() -> Path:
    """The folder of everything the app serves, inside the one that Gradio serves without a copy."""
    return Path(get_upload_folder()) / "aigc-studio"


def served_folder() -> Path:
    """A new folder that is served; those that are two hours old go, and the oldest when all hold 2 GiB.

    Raises AIGCError when the disk is full or not writable.
    """
    root = served_root()
    with translate_io_errors(Path(root.name)):
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=root))
        with _lock:
            if not _measured and not _unmeasured:  # what an earlier process left is as old as it is
                _unmeasured.extend(sorted(root.iterdir(), key=lambda path: path.stat().st_mtime))
            else:
                _unmeasured.append(folder)
            if len(_unmeasured) >= 2 * SWEEP_EVERY:  # the younger half may still be written to
                _measured.extend((path, _bytes_on_disk(path)) for path in _unmeasured[:-SWEEP_EVERY])
                del _unmeasured[:-SWEEP_EVERY]
                _sweep(KEPT_SECONDS, KEPT_BYTES)
    return folder


def _bytes_on_disk(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    with os.scandir(folder) as files:
        return sum(file.stat().st_blocks * 512 for file in files)


def _sweep(seconds: float, limit: int) -> None:
    """Remove the folders that are older than so many seconds, and the oldest while all hold more bytes than that."""
    total = sum(size for _, size in _measured)
    while _measured:
        folder, size = _measured[0]
        if total <= limit and folder.exists() and time.time() - folder.stat().st_mtime <= seconds:
            break
        shutil.rmtree(folder, ignore_errors=True)
        _measured.popleft()
        total -= size


def pictures_of(images: np.ndarray, request: SampleRequest, weights: str) -> list[Picture]:
    """The images uint8 [N, C, R, R] of a request as PNG files, named by the model and by their seeds."""
    model = CheckpointReference.parse(request.checkpoint).name
    statements = [Statement(single, weights) for single in request.canonical_singles()]
    files = png_files(torch.from_numpy(images), statements)
    return [(f"{model}-seed-{seed}.png", file) for seed, file in zip(request.seeds(), files)]


def write_pictures(pictures: Sequence[Picture]) -> list[str]:
    """The paths of the files, which are served. Raises AIGCError when the disk is full or not writable."""
    folder = str(served_folder())
    paths = [os.path.join(folder, name) for name, _ in pictures]
    with translate_io_errors(Path("images")):
        for path, (_, content) in zip(paths, pictures):
            with open(path, "wb", buffering=0) as file:
                file.write(content)
    return paths


def write_archive(pictures: Sequence[Picture]) -> str:
    """The path of a zip of the files, which is served. Raises AIGCError when the disk is full or not writable."""
    archive = served_folder() / "images.zip"
    with translate_io_errors(Path(archive.name)), zipfile.ZipFile(archive, "w") as pack:
        for name, content in pictures:
            pack.writestr(name, content)
    return str(archive)


def data_uri(image: np.ndarray, request: str, weights: str) -> str:
    """An image uint8 [C, R, R] as an address that holds it; `request` is canonical, or empty if none makes it."""
    return as_data_uri(png_bytes(torch.from_numpy(image), Statement(request, weights)))


def as_data_uri(png: bytes) -> str:
    """A PNG as an address that holds it."""
    return "data:image/png;base64," + b64encode(png).decode()


CLICKED = """element.addEventListener('click', event => {
  const picture = event.target.closest('[data-index]');
  if (!picture) return;
  element.querySelector('[aria-pressed=true]')?.setAttribute('aria-pressed', 'false');
  picture.setAttribute('aria-pressed', 'true');
  trigger('select', {index: Number(picture.dataset.index)});
});"""


def sheet(name: str) -> gr.HTML:
    """A grid of small pictures, each a button; `select` tells a listener the index of the one that was clicked."""
    return gr.HTML(js_on_load=CLICKED, apply_default_css=False, elem_id=name, elem_classes="pixels")


def sheet_html(
    pictures: Sequence[tuple[str, str]],
    columns: int = 0,
    chosen: int | None = None,
    top: Sequence[str] = (),
    left: Sequence[str] = (),
) -> str:
    """What a sheet shows: pictures as (address, title), in so many columns (0: as many as fit).

    `top` and `left` label the columns and rows, by text or by the address of a picture. Everything is escaped.
    """

    def label(value: str) -> str:
        inside = f'<img src="{html.escape(value)}" alt="">' if value.startswith("data:") else html.escape(value)
        return f'<span class="sheet-label">{inside}</span>'

    cells = ['<span class="sheet-label"></span>', *map(label, top)] if top else []
    for index, (address, title) in enumerate(pictures):
        if left and index % columns == 0:
            cells.append(label(left[index // columns]))
        pressed = "true" if index == chosen else "false"
        cells.append(
            f'<button type="button" data-index="{index}" aria-pressed="{pressed}" title="{html.escape(title)}">'
            f'<img src="{html.escape(address)}" alt="{html.escape(title)}"></button>'
        )
    across = columns + bool(left)
    style = f"grid-template-columns: {'auto ' * bool(left)}repeat({columns}, minmax(0, 1fr))" if across else ""
    return f'<div class="sheet{"" if across else " strip"}" style="{style}">{"".join(cells)}</div>' if cells else ""
