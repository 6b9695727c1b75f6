"""`python -m aigc_core inspect`: read the provenance of a file and check that its content can be made again."""

from __future__ import annotations

import zlib
from argparse import ArgumentParser, Namespace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile, is_zipfile

from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.config import whole_number
from aigc_core.errors import AIGCError, Sentence, one_line
from aigc_core.families.base import WatermarkingModel
from aigc_core.inspection import maker_of, read_provenance, request_in, says_generated, verify
from aigc_core.loading import load_checkpoint
from aigc_core.modalities.base import modalities
from aigc_core.modalities.movie import MOVIE_SUFFIXES
from aigc_core.modalities.provenance import sidecar
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
    if not file.is_file():
        raise AIGCError("There is no file '{path}'.", path=file)
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
    print(f"AI-generated: {'yes' if says_generated(provenance) else 'not stated'} ({one_line(provenance.source_type)})")
    label = ", ".join(f"{key} {value}" for key, value in provenance.aigc.items() if value)
    print(f"AIGC (GB 45438-2025): {one_line(label)}")
    if is_movie:
        print(localised(Sentence("A movie does not keep the request that made it, so its content cannot be checked.")))
        return
    print(f"weights: sha256 {one_line(provenance.weights)}")
    request = request_in(provenance)
    print(f"request: {request.canonical()}")
    if not reference and not request.checkpoint and (file.parent / CONFIG_FILE).is_file():
        reference = str(file.parent)  # a model's own preview
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
        by_name = {member.filename: member for member in archive.infolist()}
        for member in archive.infolist():
            name = PurePosixPath(member.filename).name.encode()[-200:].decode(errors="ignore")
            if member.is_dir() or PurePosixPath(name).suffix.lower() not in suffixes or member.file_size > MAX_BYTES:
                continue
            count += 1
            print(f"{one_line(member.filename)}:")
            unpacked = Path(folder) / name
            try:
                unpacked.write_bytes(archive.read(member))
                said = by_name.get(sidecar(Path(member.filename)).as_posix())
                if said is not None and said.file_size <= MAX_BYTES:
                    sidecar(unpacked).write_bytes(archive.read(said))
                _inspect(unpacked, reference, key)
            except (BadZipFile, NotImplementedError, RuntimeError, zlib.error):  # damaged, or enciphered
                failed += 1
                print("  cannot be unpacked")
            except AIGCError as error:
                failed += 1
                print(localised(error.sentence))
            finally:
                for file_of_member in (unpacked, sidecar(unpacked)):
                    file_of_member.unlink(missing_ok=True)
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
    if text is None:
        return None
    if (key := whole_number(text, MAX_SEED)) is None:
        raise AIGCError(
            "--watermark-key takes a whole number from 0 to {last}, not '{text}'.", last=MAX_SEED, text=text[:40]
        )
    return key


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
