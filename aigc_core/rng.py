"""The random numbers of training: those of a step depend on nothing but the run's seed and the step.

A resumed run therefore needs no generator state. Several processes each draw for the whole global batch and keep their
own rows, and so train on the same numbers as one process.
"""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

MAX_SEED = 2**32 - 1
"""The largest seed that a recipe or a request may name."""


def seeded_generator(*key: int) -> torch.Generator:
    """A CPU generator whose stream is determined by the whole numbers of `key`, independent between keys."""
    return torch.Generator().manual_seed(int(numpy.random.SeedSequence(key).generate_state(1)[0]))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to the device without waiting for work queued there."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class StepDraws:
    """Random numbers of one training step for this process's part of the global batch.

    `generator` is for draws that may differ with the number of processes, such as augmentation.
    """

    def __init__(self, seed: int, step: int, batch_size: int, rank: int, num_processes: int, device: torch.device):
        self._global = seeded_generator(seed, step, 0)
        self.generator = seeded_generator(seed, step, 1, rank)
        self._batch_size = batch_size
        share = batch_size // num_processes
        self.rows = slice(rank * share, (rank + 1) * share)
        self._device = device

    def normal(self, *shape: int) -> Tensor:
        """Standard-normal numbers float32 [N, *shape] on the device, N rows for this process."""
        return self._ours(torch.randn(self._batch_size, *shape, generator=self._global))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), float32 [N, *shape] on the device, N rows for this process."""
        return self._ours(torch.rand(self._batch_size, *shape, generator=self._global))

    def _ours(self, drawn: Tensor) -> Tensor:
        return to_device(drawn[self.rows], self._device)


class ShuffledStream:
    """An endless stream of indices below `size`: one random permutation after another, addressed by position."""

    def __init__(self, size: int, seed: int):
        self._size, self._seed = size, seed
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, start: int, length: int) -> Tensor:
        """Indices int64 [length] at stream positions `start` … `start + length - 1`."""
        parts = []
        while length:
            epoch, offset = divmod(start, self._size)
            if epoch != self._epoch:
                self._epoch = epoch
                self._permutation = torch.randperm(self._size, generator=seeded_generator(self._seed, epoch, 2))
            parts.append(self._permutation[offset : offset + length])
            start, length = start + len(parts[-1]), length - len(parts[-1])
        return torch.cat(parts)
