"""What every family of generative models provides: the contracts between models, their training and the rest.

A model is a deterministic map from standard-normal noise and a condition to a sample in *model space*: float maps
[N, C, H, W] in about [-1, 1], or tokens int64 [N, T]. A modality (`aigc_core.modalities`) leads from there to what is
stored and shown. What a model can do beyond that it declares as capabilities; nothing probes for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor, nn

from aigc_core.rng import StepDraws


class Capability(StrEnum):
    """What a model can do beyond generating."""

    LATENT = "latent"
    """Noise is encoded into smooth codes of one size, and codes are decoded (`LatentModel`): directions, maps,
    interpolation, inversion."""
    STYLES = "styles"
    """The codes are one style a layer (`StyleModel`): style mixing."""


@dataclass(frozen=True)
class Condition:
    """What steers N samples. `classes`: weights float32 [N, num_classes] that sum to 1; [N, 0] without classes."""

    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: slice | Tensor) -> Condition:
        return Condition(self.classes[rows])

    def to(self, device: torch.device | str) -> Condition:
        """The same on a device."""
        return Condition(self.classes.to(device))


@dataclass(frozen=True)
class Batch:
    """N real samples in model space with what is known of each: class weights float32 [N, num_classes]."""

    samples: Tensor
    classes: Tensor


@dataclass(frozen=True)
class StepState:
    """Where a run stands before a step.

    `step` counts from 0. `progress`: share of the run that is over, 0 to 1. `samples_seen`: real samples shown so far,
    counted with repetition. `draws`: this step's random numbers.
    """

    step: int
    progress: float
    samples_seen: int
    draws: StepDraws


class TrainingMethod(Protocol):
    """What the training loop asks of a way to train: it knows nothing of what happens inside."""

    @property
    def model(self) -> nn.Module:
        """What is averaged and kept."""
        ...

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything whose state must be kept to go on training."""
        ...

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]: ...

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; returns what was measured as scalars on the device, so that nothing waits for them."""
        ...

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence when what was measured shows that training goes wrong."""
        ...
