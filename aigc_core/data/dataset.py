"""Real samples with their classes and attributes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor
from tqdm import tqdm

HASHED_BYTES = 64 * 2**20
"""About how much is hashed at a time."""
PATIENCE_SECONDS = 2
"""Work that takes longer shows a progress bar."""
UNKNOWN = -100
"""The label of an attribute that a sample does not have; `cross_entropy` ignores it by default."""


@dataclass(frozen=True)
class Attributes:
    """Attributes of samples beyond their class.

    `values`: the possible values of each attribute, by its name. `labels` int64 [N, attributes]: indices of these
    values, or UNKNOWN.
    """

    values: dict[str, tuple[str, ...]]
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """`samples`: a stored tensor [N, …], or an object that can be indexed and split like one.

    `labels`: int64 [N]; zeros if there are no classes.
    """

    name: str
    samples: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    licence: str
    source: str

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, indices: Tensor, upcoming: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The samples [n, …] and labels int64 [n] at `indices` int64 [n].

        `upcoming`: indices that follow; samples read from files begin to be decoded in the background.
        """
        return self.samples[indices], self.labels[indices]

    def content_hash(self) -> str:
        """16 hexadecimal digits that change with any sample or label."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        digest = hashlib.sha256(repr(tuple(self.samples.shape)).encode())
        size = max(1, HASHED_BYTES // max(1, self.samples.shape[1:].numel()))
        name = f"hash of {self.name}"
        with tqdm(total=len(self), desc=name, unit=" samples", leave=False, delay=PATIENCE_SECONDS) as bar:
            for samples in self.samples.split(size):
                digest.update(samples.numpy().tobytes())
                bar.update(len(samples))
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()[:16]
