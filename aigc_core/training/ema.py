"""The moving average of a model's weights (EMA): the weights that checkpoints hold."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from aigc_core.families.base import Model, StepState
from aigc_core.families.schedule import Schedule, value_at


class ExponentialMovingAverage:
    """Averages a model's weights with a half-life in samples.

    Early in a run the half-life is limited to `ramp_up` of the samples seen so far (Karras et al. 2020, official
    training loop), so that the first checkpoints do not show the initial weights; None sets no limit.
    """

    def __init__(self, model: Model, half_life: Schedule, ramp_up: float | None = 0.05) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._half_life, self._ramp_up = half_life, ramp_up
        self._averages = _floats(self.model)
        self._sources = _floats(model)

    @torch.no_grad()
    def update(self, batch_size: int, state: StepState) -> None:
        """average ← average + (1 − β)(weights − average), with β = 2^(−batch_size / half-life), after a step."""
        half_life = value_at(self._half_life, state)
        if self._ramp_up is not None:
            half_life = min(half_life, (state.samples_seen + batch_size) * self._ramp_up)
        share = 1 - 0.5 ** (batch_size / max(half_life, 1e-8))
        torch._foreach_lerp_(self._averages, self._sources, share)  # type: ignore[reportPrivateImportUsage]  # one kernel for all


def _floats(module: nn.Module) -> list[Tensor]:
    return [tensor for tensor in module.state_dict(keep_vars=False).values() if tensor.is_floating_point()]
