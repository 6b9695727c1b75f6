"""Samples without a model: images from other tools, and the place of their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aigc_core.data.sample_files import ARCHIVE_SUFFIXES, only_samples
from aigc_core.files import cache_folder

FOLDER = "samples"


@dataclass(frozen=True)
class SampleSet:
    """`path`: a folder of images, or an archive; `results`: the folder whose `eval/` holds its results."""

    path: Path
    results: Path


def sample_file(path: Path) -> SampleSet | None:
    """The samples in an archive, with results in the cache until the file changes; None for any other file."""
    if path.suffix.lower() not in ARCHIVE_SUFFIXES:
        return None
    status = path.stat()
    return SampleSet(path, results_folder(str(path.resolve()), status.st_size, status.st_mtime_ns))


def sample_folder(folder: Path, names: Sequence[str]) -> SampleSet | None:
    """The samples in a folder with these files, with results in the folder; None if it holds anything else."""
    found = only_samples(names)
    if not found:
        return None
    return SampleSet(folder / found[0] if found[0].lower().endswith(ARCHIVE_SUFFIXES) else folder, folder)


def results_folder(*which: object) -> Path:
    """The folder in the cache for the results of the samples that `which` identifies."""
    return cache_folder(FOLDER) / hashlib.sha256(json.dumps(which).encode()).hexdigest()[:32]


def is_results_of_samples(folder: Path) -> bool:
    """Whether a folder is one of `results_folder`."""
    return folder.parent == cache_folder(FOLDER)
