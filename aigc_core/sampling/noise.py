"""From a seed to one sample's noise and, where no class is asked for, its class.

Sample k of a request with seed s has seed s + k. Noise and class are drawn on the CPU from that seed alone, so a seed
gives the same sample in any batch and on any device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def draw_noise(
    seeds: Sequence[int], noise_shape: Sequence[int], num_classes: int, class_shares: Sequence[float] = ()
) -> tuple[Tensor, Tensor]:
    """Standard-normal noise float32 [N, *noise_shape] and one-hot classes float32 [N, num_classes], a row per seed.

    Classes occur as often as `class_shares` (empty, or one share per class) says; without it, equally often.
    """
    noise = torch.empty(len(seeds), *noise_shape)
    classes = torch.zeros(len(seeds), dtype=torch.int64)
    bounds = torch.tensor(class_shares).cumsum(0)[:-1]
    generator = torch.Generator()
    for seed, own, label in zip(seeds, noise, classes):
        generator.manual_seed(seed)
        torch.randn(tuple(noise_shape), generator=generator, out=own)
        if len(class_shares):
            label.copy_((bounds <= torch.rand((), generator=generator)).sum())
        elif num_classes:
            torch.randint(num_classes, (), generator=generator, out=label)
    one_hot = torch.zeros(len(seeds), num_classes)
    return noise, one_hot.scatter_(1, classes.unsqueeze(1), 1) if num_classes else one_hot
