"""Batch statistics that belong to averaged weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from aigc_core.rng import seeded_generator

from .generator import Generator


@torch.no_grad()
def with_standing_statistics(
    generator: Generator, label_shares: Tensor, batches: int = 16, batch_size: int = 256
) -> Generator:
    """A copy of the generator in eval mode whose batch statistics belong to its own weights.

    Averaged weights meet running statistics that other weights produced; here they are measured anew over
    `batches` batches (Brock et al. 2019, section 4.1, "standing statistics"). `label_shares` [num_classes] is the
    data's class distribution. Generators without batch normalisation come back as they are.
    """
    copied = copy.deepcopy(generator)
    norms = [module for module in copied.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return copied.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    device = next(copied.parameters()).device
    draw = seeded_generator(0, 3)
    for _ in range(batches):
        latents = torch.randn(batch_size, copied.latent_dim, generator=draw)
        labels = torch.zeros(batch_size, len(label_shares))
        if len(label_shares):
            chosen = torch.multinomial(label_shares, batch_size, replacement=True, generator=draw)
            labels[torch.arange(batch_size), chosen] = 1
        copied(latents.to(device), labels.to(device))
    return copied.eval()
