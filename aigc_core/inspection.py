"""The provenance of a file, and the model that made it."""

from __future__ import annotations

from pathlib import Path

from .errors import AIGCError
from .loading import load_checkpoint
from .modalities.base import modalities
from .modalities.movie import MOVIE_SUFFIXES, read_movie
from .modalities.provenance import DIGITAL_SOURCE_TYPE, Provenance
from .pipeline import Checkpoint
from .sampling.grid import Grid, is_grid
from .sampling.request import SampleRequest
from .sampling.sample import sample, sample_all


def read_provenance(file: Path) -> Provenance:
    """The provenance of a file, read by the modality that its suffix belongs to, or as a movie; by default as an image.

    Raises AIGCError if it has none or cannot be read.
    """
    if file.suffix.lower() in MOVIE_SUFFIXES:
        return read_movie(file)
    kinds = [kind for name in modalities if file.suffix.lower() in (kind := modalities[name]).suffixes]
    return (kinds[0] if kinds else modalities["image"]).read_provenance(file)


def says_generated(provenance: Provenance) -> bool:
    """Whether a file is marked as AI-generated, both by IPTC's term and by the label of GB 45438-2025."""
    return provenance.source_type == DIGITAL_SOURCE_TYPE and provenance.aigc.get("Label") == "1"


def request_in(provenance: Provenance) -> SampleRequest:
    """The request that reproduces a file's content. Raises AIGCError if there is none."""
    if not provenance.request:
        raise AIGCError("This was not made from a seed alone, so it cannot be made again.")
    return SampleRequest.from_canonical(provenance.request)


def maker_of(
    provenance: Provenance, request: SampleRequest, reference: str | None = None, token: str | None = None
) -> Checkpoint:
    """The model that made a file, on the CPU: from `reference` or, without it, from the file's request.

    Raises AIGCError if there is none, or it has other weights.
    """
    reference = reference or request.checkpoint
    if not reference:
        raise AIGCError("This file does not say where its model is; name it with --checkpoint.")
    checkpoint = load_checkpoint(reference, token, device="cpu")
    if not checkpoint.was_made_by(provenance.weights):
        raise AIGCError(
            "This was made with other weights than those of '{reference}', whose sha256 is {sha256}; name the right "
            "model with --checkpoint.",
            reference=reference,
            sha256=checkpoint.weights_sha256,
        )
    return checkpoint


def verify(file: Path, request: SampleRequest, checkpoint: Checkpoint, token: str | None = None) -> str:
    """A sentence that confirms that a file holds what its request makes, here on the CPU: samples, or a grid of such.

    Raises AIGCError with how it differs, if it does.
    """
    if not is_grid(request):
        return checkpoint.modality.verify(file, lambda: sample(checkpoint, request).stored, request.count)
    located = request.model_copy(update={"checkpoint": checkpoint.reference})
    grid = Grid.of_request(
        checkpoint,
        located,
        lambda cells: sample_all(load_checkpoint(cells[0].checkpoint, token, device="cpu"), cells),
    )
    return grid.verify(file)
