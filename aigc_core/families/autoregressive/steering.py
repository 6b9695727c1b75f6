"""The contract of what bears on the next token beside the model and the noise, a file each."""

from __future__ import annotations

from torch import Tensor


class Steering:
    """Bears on N samples while they are drawn: a new one each time, which sees every token, those of a prompt first."""

    def see(self, tokens: Tensor) -> None:
        """The next token int64 [N] of each sample, on the CPU."""

    def adjust(self, logits: Tensor) -> Tensor:
        """Logits [N, vocabulary] to draw from, instead of the model's."""
        return logits

    def replace(self, chosen: Tensor) -> Tensor:
        """Tokens int64 [N] on the CPU, instead of those that were drawn."""
        return chosen
