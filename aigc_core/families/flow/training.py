"""The common part of the training methods of flows: points on straight paths from noise to data, and the step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.families.adam import Betas
from aigc_core.families.base import Batch, ModelSpec, StepState, TrainingMethod
from aigc_core.families.gradients import descend
from aigc_core.families.schedule import LinearDecay, NonNegativeSchedule, value_at, warm_up

from .model import VectorFieldModel, build_model


class FlowTrainingConfig(Config):
    """`label_dropout`: the probability that a sample's class is dropped, so that the model also learns to draw without
    one.

    `time_location`, `time_scale`: times are sigmoid(location + scale · n) of standard-normal n (logit-normal; Esser et
    al. 2024, equation 19). The others are AdamW's (Loshchilov & Hutter 2019); the learning rate grows linearly
    over the first `warmup_steps`.
    """

    label_dropout: float = Field(default=0.1, ge=0, le=1)
    time_location: float = Field(default=0.0, ge=-10, le=10)
    time_scale: float = Field(default=1.0, gt=0, le=10)
    learning_rate: NonNegativeSchedule = LinearDecay(value=1e-3, decay_from=0.5)
    betas: Betas = (0.9, 0.99)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=100, ge=0)


def points_on_paths(noise: Tensor, samples: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Points (1 − t) · noise + t · sample at times [N], and their velocity, sample − noise; all [N, …].

    These are the paths of optimal transport of Lipman et al. (2023, equation 22), where σ_min is 0.
    """
    velocity = samples - noise
    return noise + times.view(-1, *[1] * (noise.ndim - 1)) * velocity, velocity


class FlowTraining(TrainingMethod):
    """A vector field in training; subclasses define the loss.

    Raises AIGCError for a recipe that does not fit.
    """

    config_type: ClassVar[type[FlowTrainingConfig]] = FlowTrainingConfig
    config: FlowTrainingConfig

    def __init__(self, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator) -> None:
        self.config = parse_config(self.config_type, dict(config), SETTINGS, "method_config")
        self.accelerator = accelerator
        network: nn.Module = build_model(spec)
        self.flow = network.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stubs know no memory_format
        self.adam = torch.optim.AdamW(
            self.flow.parameters(), betas=self.config.betas, weight_decay=self.config.weight_decay, fused=True
        )

    @property
    def model(self) -> VectorFieldModel:
        return self.flow

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.flow}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"model": self.adam}

    @abstractmethod
    def losses(self, batch: Batch, state: StepState) -> tuple[Tensor, Tensor]:
        """The objective, and the mean squared error of the prediction, which is logged; both scalars."""

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; samples float [N, C, R, R] in [-1, 1]."""
        loss, error = self.losses(batch, state)
        rate = warm_up(state.step + 1, self.config.warmup_steps + 1) * value_at(self.config.learning_rate, state)
        descend(loss, self.flow, self.adam, self.accelerator, rate)
        return {"loss": error.detach()}

    def times(self, normal: Tensor) -> Tensor:
        """Logit-normal times in (0, 1) from standard-normal numbers of any shape."""
        return torch.sigmoid(self.config.time_location + self.config.time_scale * normal)

    def with_dropout(self, batch: Batch, state: StepState) -> Tensor:
        """The class weights of a batch, all zero where classes are dropped (Ho & Salimans 2021, algorithm 1)."""
        return torch.where(state.draws.uniform(1) < self.config.label_dropout, 0.0, batch.classes)
