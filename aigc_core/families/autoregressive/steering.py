"""The contract of steerings, which change the next token of a text; each has a file of its own."""

from __future__ import annotations

from torch import Tensor


class Steering:
    """Steers the drawing of N samples, once; it sees every token, beginning with those of the prompt."""

    def see(self, tokens: Tensor) -> None:
        """The next token int64 [N] of each sample, on the CPU."""

    def adjust(self, logits: Tensor) -> Tensor:
        """The logits float [N, vocabulary] to draw from, given the model's."""
        return logits

    def replace(self, chosen: Tensor) -> Tensor:
        """The tokens int64 [N] on the CPU to go on with, given those that were drawn."""
        return chosen
