"""Samples on their way to the browser: files that can be downloaded, and sheets of small pictures to click on."""

from __future__ import annotations

import html
import os
import re
import shutil
import tempfile
import threading
import time
import zipfile
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import gradio as gr
import numpy as np
import torch
from gradio.utils import get_upload_folder
from torch import Tensor

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.files import translate_io_errors
from aigc_core.modalities.base import Modality
from aigc_core.modalities.png import png_bytes, to_picture
from aigc_core.modalities.provenance import Statement
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.request import SampleRequest

from .language import t
from .pad import PLAYED, pad_html

KEPT_SECONDS = 2 * 3600
KEPT_BYTES = 2 * 2**30
SWEEP_EVERY = 64
"""Folders between two looks at what may go."""

THUMBNAIL_LETTERS = 24
MAX_NARROW = 5
"""How many columns a phone has room for, and how many letters above a column that is narrower."""

_chinese_letter = re.compile("[\u4e00-\u9fff]")
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


def write_samples(stored: Tensor, request: SampleRequest, checkpoint: Checkpoint, folder: Path) -> list[Path]:
    """One file for each of the samples [N, …] of a request, named by the model and by its seed.

    Raises AIGCError when the disk is full or not writable.
    """
    model = CheckpointReference.parse(request.checkpoint).name
    statements = [Statement(single, checkpoint.weights_sha256) for single in request.canonical_singles()]
    names = [f"{model}-seed-{seed}" for seed in request.seeds()]
    return checkpoint.modality.write_each(folder, names, stored, statements)


def write_archive(stored: Tensor, request: SampleRequest, checkpoint: Checkpoint) -> str:
    """The path of a zip, which is served, of the files of the samples and of what their kind keeps beside them.

    Raises AIGCError when the disk is full or not writable.
    """
    archive = served_folder() / f"{checkpoint.modality.plural}.zip"
    with translate_io_errors(Path(archive.name)), tempfile.TemporaryDirectory() as folder:
        files = write_samples(stored, request, checkpoint, Path(folder))
        beside = sorted(set(Path(folder).iterdir()) - set(files))
        with zipfile.ZipFile(archive, "w") as pack:
            for path in [*files, *beside]:
                pack.write(path, path.name)
    return str(archive)


def listing_html(
    stored: Tensor,
    seeds: Sequence[int],
    files: Sequence[Path],
    kind: Modality,
    classes: Sequence[str] = (),
    title: str = "",
) -> str:
    """Samples [N, …] that are no images: each with its seed (or what else `title` calls the number), what it says or
    its spectrogram with a player, and its file. What is played and has classes, named here for each sample, lies on a
    pad as well."""
    texts = kind.texts(stored) if kind.media == "text" else [""] * len(files)
    pictures = [as_data_uri(png_of(each)) for each in kind.pictures(stored)] if kind.is_played else [""] * len(files)
    cards, title = [], title or t("Seed")
    for row, (seed, path, said, picture) in enumerate(zip(seeds, files, texts, pictures)):
        address = html.escape(f"gradio_api/file={quote(str(path))}")
        content, copy = "", ""
        if kind.media == "text":
            content = f'<pre class="{text_class(kind, said)}">{html.escape(said)}</pre>'
            copy = f'<button type="button" data-copy>{t("Copy")}</button>'
        elif kind.is_played:
            content = player_html(picture, address)
        link = f'<a href="{address}" download="{html.escape(path.name)}">{t("Download")}</a>'
        named = f"<b>{html.escape(classes[row])}</b> · " if classes else ""
        head = f"<header><span>{named}{title} {seed}</span>{copy}{link}</header>"
        cards.append(f'<article class="sample">{head}{content}</article>')
    shape = "listing tiles" if kind.is_played else "listing"
    pad = pad_html(pictures, classes) if kind.is_played and classes else ""
    return f'{pad}<div class="{shape}">{"".join(cards)}</div>'


def player_html(picture: str, address: str, more: str = "") -> str:
    """A player of the file at an address, below its picture; `more`: further attributes of the player."""
    spectrogram = f'<img src="{picture}" alt="{t("Spectrogram")}">'
    return f'{spectrogram}<audio controls preload="metadata" {more} src="{address}"></audio>'


def player_card(picture: str, path: str | Path, more: str = "") -> str:
    """`player_html` of a file that is served, as a card."""
    return card_html(player_html(picture, html.escape(f"gradio_api/file={quote(str(path))}"), more))


def card_html(content: str) -> str:
    """One sample by itself, set as those of a listing are."""
    return f'<div class="listing"><article class="sample">{content}</article></div>'


def png_of(picture: Tensor) -> bytes:
    """A PNG of a picture uint8 [C, H, W] that is no sample itself."""
    content = BytesIO()
    to_picture(picture).save(content, "PNG")
    return content.getvalue()


def text_class(kind: Modality, said: str) -> str:
    """The CSS classes of a text: how its kind is set, and whether it is Chinese, of which verse stands upright."""
    return f"{kind.layout} chinese" if _chinese_letter.search(said) else kind.layout


def thumbnail(stored: Tensor, files: Sequence[Path], kind: Modality) -> str:
    """What stands for samples [N, …] in the history: the first image or spectrogram as an address, or words."""
    if kind.media == "image":
        return as_data_uri(files[0].read_bytes())
    if kind.media == "audio":
        return as_data_uri(png_of(kind.pictures(stored[:1])[0]))
    said = kind.texts(stored[:1])[0] if kind.media == "text" else files[0].stem
    return " ".join(said.split())[:THUMBNAIL_LETTERS] or "…"


def data_uri(image: np.ndarray, request: str, weights: str) -> str:
    """An image uint8 [C, R, R] as an address that holds it; `request` is canonical, or empty if none makes it."""
    return as_data_uri(png_bytes(torch.from_numpy(image), Statement(request, weights)))


def tiles(stored: np.ndarray, requests: Sequence[str], weights: str, kind: Modality) -> list[str]:
    """Samples [N, …] as small pictures for a sheet; images carry their canonical request where one makes them."""
    if kind.is_played:
        return [as_data_uri(png_of(picture)) for picture in kind.pictures(torch.from_numpy(stored))]
    return [data_uri(image, request, weights) for image, request in zip(stored, requests)]


def large_html(stored: np.ndarray, picture: str, request: str, weights: str, kind: Modality, plays: bool = True) -> str:
    """One sample [1, …] as it is looked at or heard, at once if it `plays`; `request` is canonical, or empty if none
    makes it."""
    if not kind.is_played:
        return f'<img src="{picture}" alt="" style="width: 100%">'
    (path,) = kind.write_each(served_folder(), ["sample"], torch.from_numpy(stored), [Statement(request, weights)])
    return player_card(picture, path, "autoplay" * plays)


def journey_html(stored: np.ndarray, weights: str, kind: Modality) -> str:
    """A row of players of the samples [N, …] on the way between others."""
    sounds = torch.from_numpy(stored)
    names = [f"way-{number + 1}" for number in range(len(sounds))]
    paths = kind.write_each(served_folder(), names, sounds, [Statement("", weights)] * len(names))
    return listing_html(sounds, range(1, len(sounds) + 1), paths, kind, title=t("Place"))


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


COPIED = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  navigator.clipboard.writeText(button.closest('.sample').querySelector('pre').textContent);
  button.classList.add('done');
  setTimeout(() => button.classList.remove('done'), 1200);
});"""


def listing(name: str) -> gr.HTML:
    """Where samples that are no images are shown."""
    return gr.HTML(js_on_load=COPIED + PLAYED, apply_default_css=False, elem_id=name, visible=False)


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
    """What a sheet shows: pictures as (address or words, title), in so many columns (0: as many as fit).

    `top` and `left` label the columns and rows, by text or by the address of a picture. Everything is escaped. The tab
    key stops at one picture, from which arrow keys lead to the others (see `keyboard`).
    """

    def label(value: str, more: str = "") -> str:
        inside = f'<img src="{html.escape(value)}" alt="">' if value.startswith("data:") else html.escape(value)
        return f'<span class="sheet-label{more}">{inside}</span>'

    def picture(address: str, title: str) -> str:
        if not address.startswith("data:"):
            return f"<span>{html.escape(address)}</span>"
        return f'<img src="{html.escape(address)}" alt="{html.escape(title)}">'

    corner = ['<span class="sheet-label"></span>'] if top and left else []
    is_long = any(len(value) > MAX_NARROW and not value.startswith("data:") for value in top)
    upright = " upright" if columns > MAX_NARROW and is_long else ""  # on a phone, where they would be broken
    cells = [*corner, *(label(value, upright) for value in top)]
    for index, (address, title) in enumerate(pictures):
        if left and index % columns == 0:
            cells.append(label(left[index // columns]))
        pressed = "true" if index == chosen else "false"
        cells.append(
            f'<button type="button" data-index="{index}" tabindex="{0 if index == (chosen or 0) else -1}" '
            f'aria-pressed="{pressed}" title="{html.escape(title)}">'
            f"{picture(address, title)}</button>"
        )
    across = columns + bool(left)
    style = f"grid-template-columns: {'auto ' * bool(left)}repeat({columns}, minmax(0, 1fr))" if across else ""
    return f'<div class="sheet{"" if across else " strip"}" style="{style}">{"".join(cells)}</div>' if cells else ""
