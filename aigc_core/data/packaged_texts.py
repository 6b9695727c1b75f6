"""Documents from a package of a registry, kept in the cache as one compressed file."""

from __future__ import annotations

import gzip
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

from .datasets import data_folder


@dataclass(frozen=True)
class PackagedTexts:
    """The collection `name`, in a `file` of its own folder, with `separator` between the documents.

    `command`: how a person would download the package; `unpack(parent)` does it and yields the package's folder, of
    which `documents_of` gives the documents.
    """

    name: str
    file: str
    separator: str
    command: str
    unpack: Callable[[Path], AbstractContextManager[Path]]
    documents_of: Callable[[Path], Iterable[str]]

    def read(self) -> list[str]:
        """The documents. Raises AIGCError if they were not fetched."""
        if not self._path.is_file():
            raise AIGCError(
                "'{name}' is not on this machine; fetch it with `python -m aigc_core data {name}`.", name=self.name
            )
        return gzip.decompress(self._path.read_bytes()).decode().split(self.separator)

    def fetch(self) -> None:
        """Put the documents where `read` finds them. Raises AIGCError where the package cannot be had."""
        if self._path.is_file():
            return
        try:
            with self.unpack(data_folder()) as unpacked:
                documents = list(self.documents_of(unpacked))
        except (OSError, subprocess.SubprocessError, tarfile.TarError):
            raise AIGCError(
                "'{name}' could not be fetched by `{command}`; check the network and that {program} is there.",
                name=self.name,
                command=self.command,
                program=self.command.split()[0],
            ) from None
        with atomic_write(self._path) as unfinished:
            unfinished.write_bytes(gzip.compress(self.separator.join(documents).encode(), mtime=0))

    @property
    def _path(self) -> Path:
        return data_folder() / self.name / self.file
