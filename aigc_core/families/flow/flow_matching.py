"""Conditional flow matching (Lipman et al. 2023): the network regresses the velocity of straight paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from aigc_core.errors import AIGCError
from aigc_core.families.base import Batch, ModelSpec, StepState
from aigc_core.families.compile import maybe_compile

from .model import FlowModel
from .training import FlowTraining, points_on_paths


class FlowMatching(FlowTraining):
    """Descends the mean of (v(x, t) − velocity)² (Lipman et al. 2023, equation 23)."""

    def __init__(self, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator) -> None:
        super().__init__(config, spec, accelerator)
        if not isinstance(self.flow, FlowModel):
            raise AIGCError("flow_matching learns a velocity; set architecture_config.predicts to velocity.")
        self.velocity = maybe_compile(self.flow.velocity, accelerator)

    def losses(self, batch: Batch, state: StepState) -> tuple[Tensor, Tensor]:
        noise = state.draws.normal(*batch.samples.shape[1:])
        times = self.times(state.draws.normal())
        points, target = points_on_paths(noise, batch.samples, times)
        with self.accelerator.autocast():
            velocity = self.velocity(points, times, self.with_dropout(batch, state))
        loss = (velocity.float() - target).square().mean()
        return loss, loss
