"""The checkpoints a page shows: those that ship, those a Space was deployed with, and those the visitor added."""

import os
from collections.abc import Sequence

import streamlit as st
import torch
from language import t
from page import as_text
from PIL import Image

from aigc_core import AIGCError, Checkpoint
from aigc_core.sampling.interpolation import enlarge
from aigc_core.sampling.provenance import to_picture
from aigc_core.sampling.sample import SampleRequest, image_grid, sample
from aigc_core.serving.leaderboard import Entry, collect, shipped_sources
from aigc_core.serving.queue import EvaluationQueue

MAX_BROKEN = 4
"""More broken checkpoints than these are folded away."""


@st.cache_resource(show_spinner=False)
def evaluation_queue() -> EvaluationQueue:
    """The one queue that all visitors share."""
    return EvaluationQueue()


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def _collect(sources: tuple[str, ...], token: str | None, evaluations: int) -> list[Entry]:
    """`evaluations`: how many have ended here, so that what they found is read at once."""
    return collect(sources, token)


def visitor_token() -> str | None:
    """The token of a visitor who signed in on a Space; otherwise huggingface_hub's own, if any, is used."""
    return st.user.tokens["access"] if st.user.get("is_logged_in") else None


def entries() -> list[Entry]:
    """All usable entries; broken ones are named on the page with their reason."""
    deployed_with = os.environ.get("AIGC_MODELS", "").split()
    sources = (*shipped_sources(), *deployed_with, *st.session_state.get("add", []))
    with st.spinner(t("Reading checkpoints …")):
        found = _collect(sources, visitor_token(), sum(job.state == "done" for job in evaluation_queue().jobs))
    broken = [entry for entry in found if entry.problem]
    if broken:
        heading = t("Not shown, for a reason: {count}", count=len(broken))
        with st.expander(heading, icon=":material/warning:", expanded=len(broken) <= MAX_BROKEN):
            for entry in broken:
                st.warning(f"**{as_text(entry.reference)}**: {as_text(entry.problem)}")
    return [entry for entry in found if not entry.problem]


@st.cache_data(max_entries=256, show_spinner=False)
def _grid(reference: str, folder: str, seeds: tuple[int, ...], columns: int, _token: str | None) -> Image.Image:
    """`folder` stands for the commit, so that a revision that moved is sampled again."""
    checkpoint = Checkpoint.from_pretrained(reference, token=_token)
    images = torch.cat([sample(checkpoint, SampleRequest(seed=seed)).images for seed in seeds])
    return to_picture(image_grid(enlarge(images, max(64, images.shape[-1])), columns))


def show_samples(entry: Entry, seeds: Sequence[int], columns: int, caption: str) -> None:
    """A grid of a checkpoint's samples of these seeds, or the sentence why there is none."""
    with st.spinner(t("Sampling …")):
        try:
            grid = _grid(entry.reference, str(entry.folder), tuple(seeds), columns, visitor_token())
        except AIGCError as error:
            st.warning(f"**{as_text(caption)}**: {as_text(str(error))}")
        else:
            st.image(grid, caption=as_text(caption), width="stretch", alt=caption)
