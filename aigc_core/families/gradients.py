"""Averaging gradients over processes, and an optimiser step."""

from __future__ import annotations

import math

import torch
from accelerate import Accelerator
from torch import Tensor, nn


def average_gradients(network: nn.Module, accelerator: Accelerator) -> None:
    """Replace the gradients of a network's parameters by their mean over all processes, in one exchange.

    Networks are not wrapped in DistributedDataParallel: its hooks do not work with autograd.grad, which gradient
    penalties need.
    """
    if accelerator.num_processes == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    average = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
    assert isinstance(average, Tensor)
    for gradient, part in zip(gradients, average.split([gradient.numel() for gradient in gradients])):
        gradient.copy_(part.view_as(gradient))


def descend(
    loss: Tensor,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    learning_rate: float,
    max_norm: float = math.inf,
) -> None:
    """One optimiser step on the gradients of a loss, averaged over all processes and clipped to the norm `max_norm`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(network, accelerator)
    if max_norm < math.inf:
        nn.utils.clip_grad_norm_(network.parameters(), max_norm)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
