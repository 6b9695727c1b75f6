"""`python -m aigc_core inspect`: read the provenance of a file and check that its content can be made again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from aigc_core.errors import AIGCError
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.base import modalities
from aigc_core.modalities.provenance import DIGITAL_SOURCE_TYPE, Provenance
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="a file made by AIGC Studio, such as a PNG")
    parser.add_argument("--checkpoint", help="where the model is now, if not where the file says")


def run(arguments: Namespace) -> int:
    file = Path(arguments.file)
    provenance = _read(file)
    generated = provenance.source_type == DIGITAL_SOURCE_TYPE and provenance.aigc.get("Label") == "1"
    print(f"AI-generated: {'yes' if generated else 'not stated'} ({provenance.source_type})")
    print("AIGC (GB 45438-2025): " + ", ".join(f"{key} {value}" for key, value in provenance.aigc.items() if value))
    print(f"weights: sha256 {provenance.weights}")
    if not provenance.request:
        raise AIGCError("This was not made from a seed alone, so it cannot be made again.")
    request = SampleRequest.from_canonical(provenance.request)
    print(f"request: {request.canonical()}")
    reference = arguments.checkpoint or request.checkpoint
    if not reference:
        raise AIGCError("This file does not say where its model is; name it with --checkpoint.")
    checkpoint = load_checkpoint(reference, device="cpu")
    if not checkpoint.was_made_by(provenance.weights):
        raise AIGCError(
            "This was made with other weights than those of '{reference}', whose sha256 is {sha256}; name the right "
            "model with --checkpoint.",
            reference=reference,
            sha256=checkpoint.weights_sha256,
        )
    print(checkpoint.modality.verify(file, lambda: sample(checkpoint, request).stored, request.count))
    return 0


def _read(file: Path) -> Provenance:
    """What a file says of itself, by the kind of sample that its name says it holds; images where it says none."""
    kinds = [kind for name in modalities if file.suffix.lower() in (kind := modalities[name]).suffixes]
    return (kinds[0] if kinds else modalities["image"]).read_provenance(file)
