"""Images on their way to the browser: files that can be downloaded, and sheets of small pictures to click on."""

from __future__ import annotations

import html
import shutil
import tempfile
import threading
import time
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from gradio.utils import get_upload_folder

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.files import translate_io_errors
from aigc_core.sampling.provenance import png_bytes
from aigc_core.sampling.sample import SampleRequest

KEPT_SECONDS = 2 * 3600
SWEEP_SECONDS = 600

_last_sweep = 0.0
_sweeping = threading.Lock()


def served_folder() -> Path:
    """A new folder inside the one that Gradio serves without a copy; those that are two hours old are removed.

    Raises AIGCError when the disk is full or not writable.
    """
    global _last_sweep  # noqa: PLW0603
    root = Path(get_upload_folder()) / "aigc-studio"
    with translate_io_errors(Path(root.name)):
        root.mkdir(parents=True, exist_ok=True)
        with _sweeping:
            if time.time() - _last_sweep > SWEEP_SECONDS:
                _last_sweep = time.time()
                for folder in root.iterdir():
                    if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                        shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=root))


def write_pictures(images: np.ndarray, requests: Sequence[SampleRequest], weights: str) -> tuple[list[str], str]:
    """PNG files of images uint8 [N, C, R, R], named by their seeds, and a zip of them all.

    Raises AIGCError when the disk is full or not writable.
    """
    folder = served_folder()
    archive = folder / "images.zip"
    paths = []
    with translate_io_errors(Path(archive.name)), zipfile.ZipFile(archive, "w") as pack:
        for image, request in zip(images, requests):
            name = f"{CheckpointReference.parse(request.checkpoint).name}-seed-{request.seed}.png"
            content = png_bytes(torch.from_numpy(image), request, weights)
            (folder / name).write_bytes(content)
            pack.writestr(name, content)
            paths.append(str(folder / name))
    return paths, str(archive)


def data_uri(image: np.ndarray, request: str, weights: str) -> str:
    """An image uint8 [C, R, R] as an address that holds it; `request` is canonical, or empty if none makes it."""
    parsed = SampleRequest.from_canonical(request) if request else None
    return "data:image/png;base64," + b64encode(png_bytes(torch.from_numpy(image), parsed, weights)).decode()


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
