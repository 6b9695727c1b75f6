"""Collections of sounds: a folder of sound files, or a named set."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

import numpy
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import atomic_write, named_path
from aigc_core.registry import Registry

from .dataset import PATIENCE_SECONDS
from .left_out import warn_of_left_out
from .listing import files_in, warn_of_others
from .sound_files import SAMPLE_RATE, SUFFIXES, read_sound

TEST_SHARE = 0.1
TRIMMED = 10 ** (-50 / 20)
"""What lies so far below a sound's peak counts as silence before and after it."""
LOUDNESS = 0.2
"""The root mean square of the loudest 50 ms of every sound, of full scale (−14 dB) …"""
LOUDEST_SECONDS = 0.05
PEAK = 0.95
"""… unless a peak would be higher than this."""


@dataclass(frozen=True)
class Sounds:
    """Waves int16 [S], each of its own length, at SAMPLE_RATE, and their classes by number; no names where there are
    none."""

    name: str
    waves: list[numpy.ndarray]
    labels: list[int]
    class_names: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""


@dataclass(frozen=True)
class NamedSounds:
    """`read(split)` raises AIGCError where the sounds are not on this machine; `fetch` puts them there."""

    read: Callable[[str], Sounds]
    fetch: Callable[[], None]


named_sounds: Registry[NamedSounds] = Registry("set of sounds", "aigc_core.data.named_sounds")


def load_sounds(name: str, split: str, limit: int | None = None) -> Sounds:
    """The sounds of a split of a named set or of a folder, or the first `limit` of them.

    A folder is searched with all that is below it; where two or more of its subfolders hold sounds, they are the
    classes. A file of a folder belongs to the test split by a hash of its sound, a tenth of all. Files that cannot be
    used are left out with a warning. Raises AIGCError where there is no such set or folder, or nothing usable in it.
    """
    sounds = named_sounds[name].read(split) if name in named_sounds else _read_folder(named_path(name), split)
    return replace(sounds, waves=sounds.waves[:limit], labels=sounds.labels[:limit])


def prepared(samples: numpy.ndarray) -> numpy.ndarray:
    """Samples float32 [S] that are not silent → int16: trimmed, and all about as loud."""
    loud = numpy.flatnonzero(abs(samples) >= TRIMMED * abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    length = round(LOUDEST_SECONDS * SAMPLE_RATE)
    energy = numpy.convolve(samples.astype(numpy.float64) ** 2, numpy.full(length, 1 / length)).max()
    gain = min(LOUDNESS / numpy.sqrt(energy), PEAK / abs(samples).max())
    return numpy.rint(samples * gain * 32767).astype(numpy.int16)


def store_sounds(path: Path, sounds: Sounds) -> None:
    """Write sounds as one file. Raises AIGCError when the disk is full or not writable."""
    tensors = {
        "samples": torch.from_numpy(numpy.concatenate(sounds.waves)),
        "lengths": torch.tensor([len(wave) for wave in sounds.waves]),
        "labels": torch.tensor(sounds.labels),
    }
    said = {
        "name": sounds.name,
        "class_names": json.dumps(sounds.class_names),
        "licence": sounds.licence,
        "source": sounds.source,
    }
    with atomic_write(path) as unfinished:
        save_file(tensors, unfinished, said)


def stored_sounds(path: Path) -> Sounds:
    """What `store_sounds` wrote. Raises AIGCError where it is not there, or damaged."""
    if not path.is_file():
        raise AIGCError(
            "'{name}' is not on this machine; fetch it with `python -m aigc_core data {name}`.", name=path.parent.name
        )
    try:
        with safe_open(path, framework="pt") as file:
            said, lengths = file.metadata(), file.get_tensor("lengths").tolist()
            waves = [wave.numpy() for wave in file.get_tensor("samples").split(lengths)]
            labels = file.get_tensor("labels").tolist()
    except SafetensorError as error:
        raise AIGCError("'{stored}' is damaged ({error}); delete it.", stored=path, error=error) from None
    return Sounds(said["name"], waves, labels, tuple(json.loads(said["class_names"])), said["licence"], said["source"])


def _read_folder(folder: Path, split: str) -> Sounds:
    paths, class_names = _class_folders(folder, _sound_paths(folder))
    waves, kept, left_out = [], [], []
    for path in tqdm(paths, f"reading {folder}", leave=False, delay=PATIENCE_SECONDS, unit=" sounds"):
        try:
            waves.append(prepared(read_sound(path)))
            kept.append(path)
        except AIGCError as error:
            left_out.append(error.sentence)
    if not waves:
        raise AIGCError("No sound in '{folder}' can be used: {error}", folder=folder, error=left_out[0])
    said = Sentence("{broken:,} of {count:,} sounds were left out: {named}")
    warn_of_left_out(said, left_out, len(paths), stacklevel=3)
    if class_names:  # of which one may have had broken files alone
        _, class_names = _class_folders(folder, kept)
    labels = _labels(folder, kept, class_names)
    rows = [row for row, wave in enumerate(waves) if _is_test(wave) == (split == "test")]
    if not rows:
        raise AIGCError("'{name}' has too few sounds for a split '{split}'.", name=folder, split=split)
    return Sounds(
        str(folder),
        [waves[row] for row in rows],
        [labels[row] for row in rows],
        class_names,
        source="a folder of sounds",
    )


def _sound_paths(folder: Path) -> list[Path]:
    """The sound files in a folder and all below it, sorted. A warning counts, by kind, what is left out."""
    if not os.path.isdir(folder):
        raise AIGCError(
            "There is no set of sounds or folder '{name}'; name a folder of sounds or one of {known}.",
            name=folder,
            known=", ".join(named_sounds),
        )
    paths, ignored = files_in(folder, SUFFIXES)
    if not paths:
        raise AIGCError("'{name}' holds no {kinds} files.", name=folder, kinds=", ".join(SUFFIXES))
    said = Sentence("{others:,} files beside the {count:,} sounds in '{folder}' are left out: {kinds}.")
    warn_of_others(said, ignored, len(paths), folder, stacklevel=4)
    return paths


def _class_folders(folder: Path, paths: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """The paths to use and the classes: the subfolders, if two or more hold sounds."""
    class_of = {path: normalize("NFC", path.relative_to(folder).parts[0]) for path in paths if path.parent != folder}
    names = tuple(sorted({*class_of.values()}))
    if len(names) < 2:
        return [*paths], ()
    if beside := len(paths) - len(class_of):
        warnings.warn(
            Sentence("{count:,} sounds lie beside the class folders and are left out.", count=beside), stacklevel=4
        )
    return [*class_of], names


def _labels(folder: Path, paths: Sequence[Path], names: tuple[str, ...]) -> list[int]:
    """The number of each path's class; 0 where there are none."""
    first = [normalize("NFC", path.relative_to(folder).parts[0]) for path in paths]
    return [names.index(name) for name in first] if names else [0] * len(paths)


def _is_test(wave: numpy.ndarray) -> bool:
    return hashlib.sha256(wave.tobytes()).digest()[0] < 256 * TEST_SHARE
