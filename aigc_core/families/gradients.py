"""Gradients of several processes, averaged."""

from __future__ import annotations

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
