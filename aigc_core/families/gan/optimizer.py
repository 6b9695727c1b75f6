"""The optimisers of both networks: Adam, with rates that may change over training."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from aigc_core.config import Config
from aigc_core.families.base import StepState
from aigc_core.families.schedule import LinearDecay, NonNegativeSchedule, Schedule, value_at, within


class OptimizerConfig(Config):
    """Adam's settings (Kingma & Ba 2015).

    `learning_rate` is both networks' unless `discriminator_learning_rate` is given; `betas` are β₁ and β₂.
    """

    learning_rate: NonNegativeSchedule = LinearDecay(value=1e-3, decay_from=0.6)
    discriminator_learning_rate: NonNegativeSchedule | None = None
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[Schedule, within(0, 1 - 1e-9)]] = (0.0, 0.99)


class ScheduledAdam(torch.optim.Adam):
    """Adam for one network, whose learning rate and β₂ follow schedules."""

    def __init__(self, network: nn.Module, learning_rate: Schedule, betas: tuple[float, Schedule]) -> None:
        self.learning_rate, self.beta_schedule = learning_rate, betas
        # One kernel updates all weights; plain Adam is left for devices that have none.
        fused = next(network.parameters()).device.type in ("cpu", "cuda", "mps")
        super().__init__(network.parameters(), fused=fused)

    def follow(self, state: StepState) -> None:
        """Take on the values of a step."""
        beta1, beta2 = self.beta_schedule
        for group in self.param_groups:
            group["lr"] = value_at(self.learning_rate, state)
            group["betas"] = (beta1, value_at(beta2, state))


def build_optimizers(
    config: OptimizerConfig, generator: nn.Module, discriminator: nn.Module
) -> dict[str, ScheduledAdam]:
    """The optimisers of the networks on their device, under the names `generator` and `discriminator`."""
    theirs = config.discriminator_learning_rate
    rates = {"generator": config.learning_rate, "discriminator": config.learning_rate if theirs is None else theirs}
    networks = {"generator": generator, "discriminator": discriminator}
    return {name: ScheduledAdam(network, rates[name], config.betas) for name, network in networks.items()}
