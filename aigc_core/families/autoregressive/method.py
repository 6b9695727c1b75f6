"""Training an autoregressive model by maximum likelihood: each token's cross-entropy given those before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.families.adam import Betas
from aigc_core.families.base import Batch, Condition, ModelSpec, StepState, TrainingMethod
from aigc_core.families.gradients import descend
from aigc_core.families.schedule import LinearDecay, NonNegativeSchedule, value_at, warm_up

from .build import build_model
from .model import AutoregressiveModel


class LikelihoodConfig(Config):
    """AdamW's settings (Loshchilov & Hutter 2019); `weight_decay` applies to matrices only.

    The learning rate grows linearly over the first `warmup_steps`; gradients are clipped to the norm
    `max_gradient_norm`.
    """

    learning_rate: NonNegativeSchedule = LinearDecay(value=1e-3, decay_from=0.3)
    betas: Betas = (0.9, 0.95)
    weight_decay: float = Field(default=0.1, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    max_gradient_norm: float = Field(default=1.0, gt=0)


class LikelihoodTraining(TrainingMethod):
    """Minimises the mean of −log p over the tokens of a batch."""

    def __init__(self, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator) -> None:
        self.config = parse_config(LikelihoodConfig, dict(config), SETTINGS, "method_config")
        self.accelerator = accelerator
        self.network = build_model(spec).to(accelerator.device)
        matrices = [weight for weight in self.network.parameters() if weight.ndim >= 2]
        others = [weight for weight in self.network.parameters() if weight.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.adam = torch.optim.AdamW(groups, betas=self.config.betas, fused=True)

    @property
    def model(self) -> AutoregressiveModel:
        return self.network

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.network}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"model": self.adam}

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; returns the loss in nats and in bits per token."""
        tokens = self.network.space.to_tokens(batch.samples)
        with self.accelerator.autocast():
            nats, counted = self.network.losses(tokens, Condition(batch.classes))
        loss = (nats * counted).sum() / counted.sum()
        rate = warm_up(state.step + 1, self.config.warmup_steps + 1) * value_at(self.config.learning_rate, state)
        descend(loss, self.network, self.adam, self.accelerator, rate, self.config.max_gradient_norm)
        return {"loss": loss.detach(), "bits_per_token": loss.detach() / math.log(2)}
