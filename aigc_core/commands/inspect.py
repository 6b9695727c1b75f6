"""`python -m aigc_core inspect`: read the provenance of a file and check that its content can be made again."""

from __future__ import annotations

import zlib
from argparse import ArgumentParser, Namespace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile, is_zipfile

from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import WatermarkingModel
from aigc_core.inspection import maker_of, read_provenance, request_in, says_generated, verify
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.base import modalities
from aigc_core.modalities.movie import MOVIE_SUFFIXES
from aigc_core.pipeline import Checkpoint
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.grid import is_grid
from aigc_core.translation import localised

MAX_BYTES = 2**28
"""Files in an archive that are larger than this are skipped."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="a file made by AIGC Studio (PNG, text, sound, GIF, MP4), or a zip of such")
    parser.add_argument("--checkpoint", help="where the model is now, if not where the file says")
    parser.add_argument(
        "--watermark-key", help="look for the watermark of this key; by default that of the request, or 0"
    )


def run(arguments: Namespace) -> int:
    file, key = Path(arguments.file), _key_of(arguments.watermark_key)
    inspect = _inspect_archive if is_zipfile(file) else _inspect
    inspect(file, arguments.checkpoint, key)
    return 0


def _inspect(file: Path, reference: str | None, key: int | None) -> None:
    """Print what a file says of itself, and whether its content can be made again. Raises AIGCError if it cannot."""
    is_movie = file.suffix.lower() in MOVIE_SUFFIXES
    try:
        provenance = read_provenance(file)
    except AIGCError:
        found = "" if is_movie or not reference else _watermark(file, load_checkpoint(reference, device="cpu"), key)
        if not found:
            raise
        print(found)  # the mark is in the text itself
        return
    print(f"AI-generated: {'yes' if says_generated(provenance) else 'not stated'} ({provenance.source_type})")
    print("AIGC (GB 45438-2025): " + ", ".join(f"{key} {value}" for key, value in provenance.aigc.items() if value))
    if is_movie:
        print(localised(Sentence("A movie does not keep the request that made it, so its content cannot be checked.")))
        return
    print(f"weights: sha256 {provenance.weights}")
    request = request_in(provenance)
    print(f"request: {request.canonical()}")
    checkpoint = maker_of(provenance, request, reference)
    if not is_grid(request):  # which holds pictures, and no text that could be marked
        own = request.options_of(checkpoint.model).model_dump().get("watermark_key")
        if found := _watermark(file, checkpoint, own if key is None else key):
            print(found)
    print(verify(file, request, checkpoint))


def _inspect_archive(file: Path, reference: str | None, key: int | None) -> None:
    """As `_inspect`, for each file of an archive that may hold samples."""
    suffixes = {*MOVIE_SUFFIXES, *(suffix for name in modalities for suffix in modalities[name].suffixes)}
    failed = count = 0
    with ZipFile(file) as archive, TemporaryDirectory() as folder:
        for member in archive.infolist():
            name = PurePosixPath(member.filename).name[-100:]
            if member.is_dir() or PurePosixPath(name).suffix.lower() not in suffixes or member.file_size > MAX_BYTES:
                continue
            count += 1
            print(f"{member.filename}:")
            try:
                unpacked = Path(folder) / name
                unpacked.write_bytes(archive.read(member))
                _inspect(unpacked, reference, key)
                unpacked.unlink()
            except (BadZipFile, NotImplementedError, RuntimeError, zlib.error):  # damaged, or enciphered
                failed += 1
                print("  cannot be unpacked")
            except AIGCError as error:
                failed += 1
                print(localised(error.sentence))
    if not count:
        raise AIGCError("'{name}' is an archive with no samples in it.", name=file.name)
    if failed:
        raise AIGCError(
            "Of {count} files in '{name}', {failed} could not be made again.",
            count=count,
            name=file.name,
            failed=failed,
        )


def _key_of(text: str | None) -> int | None:
    """A key from the command line. Raises AIGCError if the text is not one."""
    if text is not None and not (text.isdecimal() and int(text) <= MAX_SEED):
        raise AIGCError(
            "--watermark-key takes a whole number from 0 to {last}, not '{text}'.", last=MAX_SEED, text=text
        )
    return None if text is None else int(text)


def _watermark(file: Path, checkpoint: Checkpoint, key: int | None) -> str:
    """What the watermark detector finds in a file, as a sentence; empty for a model without watermarks, or a file of
    another kind."""
    model, modality = checkpoint.model, checkpoint.modality
    if not isinstance(model, WatermarkingModel) or file.suffix.lower() not in modality.suffixes:
        return ""
    found = model.detect_watermark(modality.to_model(modality.read_stored(file)), key or 0)
    return (
        f"watermark of key {key or 0}: {found.marked} of {found.counted} tokens are marked; without it, as many or "
        f"more are with probability {found.p_value:.2g}"
    )
