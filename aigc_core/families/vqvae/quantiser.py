"""What quantisers share: vectors of an encoder become whole numbers, which a decoder reads as vectors again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantised(NamedTuple):
    """Of M vectors: their codes int64 [M]; the codes' vectors float32 [M, dim], with a gradient by the encoder's; and
    `loss`, a scalar that draws the encoder's vectors to those of their codes."""

    codes: Tensor
    vectors: Tensor
    loss: Tensor


class Quantiser(nn.Module, ABC):
    """`size`: how many codes there are; `dim`: how many values a vector has."""

    size: int
    dim: int

    @abstractmethod
    def forward(self, vectors: Tensor) -> Quantised:
        """Quantise vectors float32 [M, dim]."""

    @abstractmethod
    def vectors_of(self, codes: Tensor) -> Tensor:
        """Vectors float32 [..., dim] of codes int64 [...]."""

    def learn(self, vectors: Tensor, codes: Tensor, priority: Tensor) -> None:
        """Whatever is learnt without gradients, from vectors [M, dim], their codes [M] and random numbers uniform in
        [0, 1), [M], of the global batch."""
        return


def perplexity(codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """How many of the codes [M] below `size` occur, and the exponential of their entropy: 1 where all are the same,
    `size` where all codes are as frequent."""
    counts = torch.bincount(codes, minlength=size).float()
    shares = counts / counts.sum()
    return (counts > 0).sum().float(), torch.special.entr(shares).sum().exp()
