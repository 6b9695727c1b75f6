"""`python -m aigc_core inspect`: read the provenance of a file and check that its content can be made again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from aigc_core.errors import AIGCError
from aigc_core.families.base import WatermarkingModel
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.base import modalities
from aigc_core.modalities.provenance import DIGITAL_SOURCE_TYPE, Provenance
from aigc_core.pipeline import Checkpoint
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="a file made by AIGC Studio, such as a PNG")
    parser.add_argument("--checkpoint", help="where the model is now, if not where the file says")
    parser.add_argument(
        "--watermark-key", help="look for the watermark of this key; by default that of the request, or 0"
    )


def run(arguments: Namespace) -> int:
    file, key = Path(arguments.file), _key_of(arguments.watermark_key)
    try:
        provenance = _read(file)
    except AIGCError:
        found = (
            _watermark(file, load_checkpoint(arguments.checkpoint, device="cpu"), key) if arguments.checkpoint else ""
        )
        if not found:
            raise
        print(found)  # the mark is in the text itself
        return 0
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
    own = request.options_of(checkpoint.model).model_dump().get("watermark_key")
    if found := _watermark(file, checkpoint, own if key is None else key):
        print(found)
    print(checkpoint.modality.verify(file, lambda: sample(checkpoint, request).stored, request.count))
    return 0


def _key_of(text: str | None) -> int | None:
    """A key from the command line. Raises AIGCError for what is none."""
    if text is not None and not (text.isdecimal() and int(text) <= MAX_SEED):
        raise AIGCError(
            "--watermark-key takes a whole number from 0 to {last}, not '{text}'.", last=MAX_SEED, text=text
        )
    return None if text is None else int(text)


def _watermark(file: Path, checkpoint: Checkpoint, key: int | None) -> str:
    """What can be told of a watermark in a file; "" for a model that sets none."""
    model, modality = checkpoint.model, checkpoint.modality
    if not isinstance(model, WatermarkingModel):
        return ""
    found = model.detect_watermark(modality.to_model(modality.read_stored(file)), key or 0)
    return (
        f"watermark of key {key or 0}: {found.marked} of {found.counted} tokens are marked; without it, as many or "
        f"more are with probability {found.p_value:.2g}"
    )


def _read(file: Path) -> Provenance:
    """What a file says of itself, by the kind of sample that its name says it holds; images where it says none."""
    kinds = [kind for name in modalities if file.suffix.lower() in (kind := modalities[name]).suffixes]
    return (kinds[0] if kinds else modalities["image"]).read_provenance(file)
