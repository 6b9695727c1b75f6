"""Batches as large as memory allows: by what a pass puts out, not by what its weights are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aigc_core import batching
from aigc_core.batching import batch_size


class Wide(nn.Module):
    """A large weight that is scaled in every pass, and activations of 64 maps of float32."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(64, 64, 33, 33))
        self.passes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.passes.append(len(images))
        scaled = 2 * self.weight[:, :3, :1, :1] + (0 * self.weight).sum()
        return torch.nn.functional.conv2d(images, scaled).mean((2, 3))


@pytest.mark.parametrize("side", [8, 16, 64])
def test_a_batch_is_bounded_by_its_activations(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = Wide(), torch.zeros(2, 3, side, side)
    monkeypatch.setattr(batching, "BATCH_BYTES", 3 * 64 * 4 * 16 * 16 * 10)  # ten images of 16 × 16
    for _ in range(2):
        with torch.inference_mode():
            found = batch_size(network, lambda count: network(images[:count]), at_most=30, key=side)
        assert found == {8: 30, 16: 10, 64: 1}[side]
    assert network.passes == [1, 2]  # measured once
    assert batch_size(network, lambda count: network(images[:count]), at_most=1, key="another") == 1
    assert network.passes == [1, 2]
