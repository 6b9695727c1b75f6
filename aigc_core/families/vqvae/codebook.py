"""Vector quantisation: a code is the nearest vector of a codebook, and codes follow the averages of what chose them."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from aigc_core.config import Config

from .quantiser import Quantised, Quantiser


class CodebookConfig(Config):
    """`size` vectors of `dim` values.

    `commitment`: the weight of the squared distance between the encoder's vectors and their codes' (β in van den Oord
    et al. 2017, equation 3). `decay`: of the moving averages, per step. A code that is chosen less than `restart_below`
    times as often as the average code is dead and restarts.
    """

    name: Literal["codebook"] = "codebook"
    size: int = Field(default=256, ge=2, le=65_536)
    dim: int = Field(default=16, ge=1, le=1024)
    commitment: float = Field(default=0.25, ge=0)
    decay: float = Field(default=0.99, ge=0, lt=1)
    restart_below: float = Field(default=0.1, ge=0, lt=1)


class Codebook(Quantiser):
    """Nearest vectors with a straight-through gradient (van den Oord et al. 2017, section 3.2 and appendix A.1).

    It stores moving averages of the number of vectors that choose a code and of their sum; the code's vector is the
    quotient, so an average of two codebooks is a valid codebook. A new one is empty, and the first batch fills it.
    """

    counts: Tensor
    sums: Tensor

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        self.config, self.size, self.dim = config, config.size, config.dim
        self.register_buffer("counts", torch.zeros(config.size))
        self.register_buffer("sums", torch.zeros(config.size, config.dim))

    @property
    def book(self) -> Tensor:
        """The vectors of all codes, float32 [size, dim]."""
        return self.sums / self.counts.clamp(min=1e-12)[:, None]

    def forward(self, vectors: Tensor) -> Quantised:
        book = self.book
        codes = nearest(vectors.detach(), book)
        chosen = book[codes]
        loss = self.config.commitment * functional.mse_loss(vectors, chosen)
        return Quantised(codes, vectors + (chosen - vectors).detach(), loss)

    def vectors_of(self, codes: Tensor) -> Tensor:
        return functional.embedding(codes, self.book)

    @torch.no_grad()
    def learn(self, vectors: Tensor, codes: Tensor, priority: Tensor) -> None:
        """Update the averages with this batch's choices, then restart dead codes from the batch's vectors, those of
        highest priority first (as Dhariwal et al. 2020, section 3.1, do at random)."""
        chosen = functional.one_hot(codes, self.size).to(vectors.dtype)
        self.counts.lerp_(chosen.sum(0), 1 - self.config.decay)
        self.sums.lerp_(chosen.T @ vectors, 1 - self.config.decay)
        average = len(vectors) / self.size
        dead = (self.counts < self.config.restart_below * average) | (self.counts == 0)
        # Shapes that do not depend on how many codes are dead avoid a synchronisation with the device.
        candidates = vectors[priority.argsort(descending=True)[: self.size]]
        place = dead.cumsum(0) - 1
        dead &= place < len(candidates)
        restarted = candidates[place.clamp(0, len(candidates) - 1)]
        self.counts.masked_fill_(dead, average)
        self.sums.copy_(torch.where(dead[:, None], restarted * average, self.sums))


def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """The index of the row of `book` [K, dim] that is nearest to each of the vectors [M, dim]: int64 [M]."""
    return (book.square().sum(1) - 2 * vectors @ book.T).argmin(1)
