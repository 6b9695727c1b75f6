"""Samples alone: images that others drew, and where what is measured of them is kept."""

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
    """The samples of a file, whose results lie in the cache, for this content; None for one that is no archive."""
    if path.suffix.lower() not in ARCHIVE_SUFFIXES:
        return None
    status = path.stat()
    return SampleSet(path, results_folder(str(path.resolve()), status.st_size, status.st_mtime_ns))


def sample_folder(folder: Path, names: Sequence[str]) -> SampleSet | None:
    """The samples of a folder with these files, whose results lie in it; None where it is something else."""
    found = only_samples(names)
    if not found:
        return None
    return SampleSet(folder / found[0] if found[0].lower().endswith(ARCHIVE_SUFFIXES) else folder, folder)


def results_folder(*which: object) -> Path:
    """The folder in the cache for the results of samples that `which` tells from others."""
    return cache_folder(FOLDER) / hashlib.sha256(json.dumps(which).encode()).hexdigest()[:32]


def is_results_of_samples(folder: Path) -> bool:
    """Whether this is a folder that `results_folder` names."""
    return folder.parent == cache_folder(FOLDER)
