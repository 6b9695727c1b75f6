"""A checkpoint's samples, shown as their modality says: pictures in a grid, texts, sounds, or files to download."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st
from language import t
from page import as_text
from PIL import Image
from sources import visitor_token

from aigc_core import AIGCError
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.image import image_grid
from aigc_core.modalities.movie import enlarge
from aigc_core.modalities.png import to_picture
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample, sample_all
from aigc_core.serving.leaderboard import SAMPLES_ALONE, Entry

SMALLEST_SIDE = 64
"""Pixels that an image has at least on the page."""
HEIGHT = 420
"""Pixels that texts, sounds and files take; what is below is scrolled to."""
SPECTROGRAM_SIDE = 128
MOST_FILES = 8
"""So many sounds or files are enough for a page."""


def requests_of(seeds: Sequence[int], labels: str = "") -> Iterator[SampleRequest]:
    """Requests that make the samples of these seeds in this order: one for each run of consecutive seeds."""
    start = 0
    for end in range(1, len(seeds) + 1):
        if end == len(seeds) or seeds[end] != seeds[end - 1] + 1:
            yield SampleRequest(seed=seeds[start], count=end - start, labels=labels)
            start = end


@st.cache_data(max_entries=256, show_spinner=False)
def _image_grid(
    reference: str, folder: str, seeds: tuple[int, ...], labels: str, columns: int, _token: str | None
) -> Image.Image:
    """`folder` stands for the commit, so that a revision that moved is sampled again."""
    images = sample_all(load_checkpoint(reference, _token), [*requests_of(seeds, labels)])
    return to_picture(image_grid(enlarge(images, max(SMALLEST_SIDE, images.shape[-1])), columns))


@st.cache_data(max_entries=256, show_spinner=False)
def _texts(reference: str, folder: str, seeds: tuple[int, ...], labels: str, _token: str | None) -> list[str]:
    checkpoint = load_checkpoint(reference, _token)
    return checkpoint.modality.texts(sample_all(checkpoint, [*requests_of(seeds, labels)]))


@st.cache_data(max_entries=64, show_spinner=False)
def _files(reference: str, folder: str, seeds: tuple[int, ...], labels: str, _token: str | None) -> list[bytes]:
    """A file of each sample, with its provenance."""
    checkpoint = load_checkpoint(reference, _token)
    with TemporaryDirectory() as temporary:
        for request in requests_of(seeds, labels):
            sample(checkpoint, request.model_copy(update={"checkpoint": reference})).save(temporary)
        return [(Path(temporary) / f"seed-{seed}{checkpoint.modality.file_suffix}").read_bytes() for seed in seeds]


@st.cache_data(max_entries=64, show_spinner=False)
def _spectrograms(
    reference: str, folder: str, seeds: tuple[int, ...], labels: str, _token: str | None
) -> list[Image.Image]:
    checkpoint = load_checkpoint(reference, _token)
    stored = sample_all(checkpoint, [*requests_of(seeds, labels)])
    return [to_picture(picture) for picture in enlarge(checkpoint.modality.pictures(stored), SPECTROGRAM_SIDE)]


def sample_grid(entry: Entry, seeds: Sequence[int], columns: int) -> Image.Image:
    """A grid of a checkpoint's images of these seeds. Raises AIGCError where they cannot be drawn."""
    return _image_grid(entry.reference, str(entry.folder), tuple(seeds), "", columns, visitor_token())


def show_samples(entry: Entry, seeds: Sequence[int], columns: int, caption: str, labels: str = "") -> None:
    """A checkpoint's samples of these seeds, or the sentence why there are none. Images stand in so many columns.

    `labels`: the class to draw, as a request has it; by default each seed draws its own.
    """
    with st.spinner(t("Sampling …")):
        try:
            _show(entry, tuple(seeds), columns, caption, labels)
        except AIGCError as error:
            st.warning(f"**{as_text(caption)}**: {as_text(t(error.sentence))}")


def _show(entry: Entry, seeds: tuple[int, ...], columns: int, caption: str, labels: str) -> None:
    if entry.config is None:
        st.caption(f"{as_text(caption)}: {t(SAMPLES_ALONE)}")
        return
    modality, token = entry.config.sample_kind, visitor_token()
    which = entry.reference, str(entry.folder)
    if modality.media == "image":
        grid = _image_grid(*which, seeds, labels, columns, token)
        st.image(grid, caption=as_text(caption), width="stretch", alt=caption)
        return
    if modality.media == "audio":
        seeds = seeds[:MOST_FILES]
        _show_sounds(seeds, _spectrograms(*which, seeds, labels, token), _files(*which, seeds, labels, token), caption)
        return
    if modality.media == "text":
        shown = _texts(*which, seeds, labels, token)
    else:
        seeds = seeds[:MOST_FILES]
        shown = _files(*which, seeds, labels, token)
    st.caption(as_text(caption))
    with st.container(border=True, height=HEIGHT):
        for seed, one in zip(seeds, shown):
            if isinstance(one, str):
                st.caption(t("Seed {seed}", seed=seed))
                st.text(one)
            else:
                name = f"seed-{seed}{modality.file_suffix}"
                st.download_button(name, one, name, on_click="ignore", key=f"{which}-{name}")


def _show_sounds(seeds: Sequence[int], spectrograms: list[Image.Image], files: list[bytes], caption: str) -> None:
    """A player beside the spectrogram of each sound."""
    st.caption(as_text(caption))
    with st.container(border=True, height=HEIGHT):
        for seed, spectrogram, file in zip(seeds, spectrograms, files):
            left, right = st.columns([1, 3], vertical_alignment="center")
            left.image(spectrogram, width="stretch", alt=t("Spectrogram"))
            right.caption(t("Seed {seed}", seed=seed))
            right.audio(file)
