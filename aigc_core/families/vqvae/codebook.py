"""Vector quantisation: a code is the nearest of a book of vectors, each the moving average of what chose it."""

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

    `commitment` weighs the squared distance of the encoder's vectors to their codes' (β in van den Oord et al. 2017,
    equation 3); `decay`: of the moving averages, a step. A code that is chosen less than `restart_below` times as often
    as all are on average is dead, and begins anew.
    """

    name: Literal["codebook"] = "codebook"
    size: int = Field(default=256, ge=2, le=65_536)
    dim: int = Field(default=16, ge=1, le=1024)
    commitment: float = Field(default=0.25, ge=0)
    decay: float = Field(default=0.99, ge=0, lt=1)
    restart_below: float = Field(default=0.1, ge=0, lt=1)


class Codebook(Quantiser):
    """Nearest vectors with a straight-through gradient (van den Oord et al. 2017, section 3.2 and appendix A.1).

    Kept are the moving averages of how many vectors choose a code, and of their sum; the code's vector is the quotient.
    So any average of two books is a book again. A new one is empty, and the first batch fills it.
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
        """Average over this batch's choices, then give dead codes vectors of the batch, those of highest priority
        first (as Dhariwal et al. 2020, section 3.1, do at random)."""
        chosen = functional.one_hot(codes, self.size).to(vectors.dtype)
        self.counts.lerp_(chosen.sum(0), 1 - self.config.decay)
        self.sums.lerp_(chosen.T @ vectors, 1 - self.config.decay)
        average = len(vectors) / self.size
        dead = (self.counts < self.config.restart_below * average) | (self.counts == 0)
        # Shapes that do not depend on how many are dead spare the device a wait.
        candidates = vectors[priority.argsort(descending=True)[: self.size]]
        place = dead.cumsum(0) - 1
        dead &= place < len(candidates)
        restarted = candidates[place.clamp(0, len(candidates) - 1)]
        self.counts.masked_fill_(dead, average)
        self.sums.copy_(torch.where(dead[:, None], restarted * average, self.sums))


def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """Which row of `book` [K, dim] is nearest to each vector [M, dim]: int64 [M]."""
    return (book.square().sum(1) - 2 * vectors @ book.T).argmin(1)
