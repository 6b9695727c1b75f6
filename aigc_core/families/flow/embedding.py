"""What tells a network the times and the class: one vector, added up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aigc_core.nn.embedding import sinusoidal_embedding

FREQUENCIES = 64


class ConditionEmbedding(nn.Module):
    """times [N, T], classes [N, num_classes] → vectors [N, width].

    Each time has a perceptron on its sines (Peebles & Xie 2023, section 3.2); class weights mix one vector a class, and
    a class that is not told adds nothing.
    """

    def __init__(self, num_times: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.times = nn.ModuleList(
            nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(num_times)
        )
        self.classes = nn.Linear(num_classes, width, bias=False) if num_classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=0.5)

    def forward(self, times: Tensor, classes: Tensor) -> Tensor:
        embedded = [
            perceptron(sinusoidal_embedding(time, FREQUENCIES)) for perceptron, time in zip(self.times, times.unbind(1))
        ]
        if self.classes is not None:
            embedded.append(self.classes(classes))
        return torch.stack(embedded).sum(0)
