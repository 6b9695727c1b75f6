"""The contract of quantisers: an encoder's vectors become integer codes, which a decoder reads as vectors again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantised(NamedTuple):
    """M quantised vectors.

    `codes`: int64 [M]. `vectors`: those of the codes, float32 [M, dim], with a straight-through gradient to the
    encoder. `loss`: a scalar that pulls the encoder's vectors towards those of their codes.
    """

    codes: Tensor
    vectors: Tensor
    loss: Tensor


class Quantiser(nn.Module, ABC):
    """`size`: the number of codes. `dim`: the number of values of a vector."""

    size: int
    dim: int

    @abstractmethod
    def forward(self, vectors: Tensor) -> Quantised:
        """Quantise vectors float32 [M, dim]."""

    @abstractmethod
    def vectors_of(self, codes: Tensor) -> Tensor:
        """Vectors float32 [..., dim] of codes int64 [...]."""

    def learn(self, vectors: Tensor, codes: Tensor, priority: Tensor) -> None:
        """Learn what is learnt without gradients, from the vectors float32 [M, dim] of the global batch, their codes
        int64 [M], and a random priority for each, float32 [M], uniform in [0, 1)."""
        return


def perplexity(codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """How many different codes occur among codes int64 [M] below `size`, and the exponential of their entropy: 1 if all
    are the same, `size` if all codes are equally frequent. Both are scalars."""
    counts = torch.bincount(codes, minlength=size).float()
    shares = counts / counts.sum()
    return (counts > 0).sum().float(), torch.special.entr(shares).sum().exp()
