"""Where the time of a training step goes: the share that is not convolution or matrix product, on the CPU.

The smaller the networks, the larger it is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

from accelerate import Accelerator
from torch.profiler import ProfilerActivity, profile

from aigc_core.training.loop import Run, mixed_precision
from aigc_core.training.presets import read_preset
from aigc_core.training.recipe import TrainingConfig

from .report import print_table

# The kernels that compute; whatever else has time of its own is counted as overhead.
COMPUTING = ("conv", "addmm", "aten::mm", "aten::bmm", "linear", "mkldnn")
PUBLISHED_DCGAN = {
    "resolution": 64,
    "conditional": False,
    "architecture_config": {
        "generator_width": 128,
        "discriminator_width": 128,
        "max_width": 1024,
        "discriminator_features": 0,
        "discriminator_norm": "batch",
    },
    "method_config": {"r1": None},
    "batch_size": 32,
}
SMALL_R3GAN = {"generator_width": 64, "discriminator_width": 64, "max_width": 128, "blocks": 1}


def shares(config: TrainingConfig, steps: int) -> dict[str, float]:
    """The share of each kernel's own time in `steps` steps, after warming up."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, Path(folder), Accelerator(mixed_precision=mixed_precision()), resume=False)
        for _ in range(2):
            run._train_step()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(steps):
                run._train_step()
    own: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        own[event.key] += event.self_cpu_time_total
    total = sum(own.values())
    return {name: time / total for name, time in own.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist", help="what the dcgan trains on")
    parser.add_argument("--colour-data", default="cifar10", help="what the r3gan trains on")
    parser.add_argument("--steps", type=int, default=16, help="one period of the lazy penalty of dcgan")
    arguments = parser.parse_args()
    colour = {"data": arguments.colour_data}
    recipes = {
        "dcgan, preset fashion-mnist": (read_preset("fashion-mnist") | {"data": arguments.data}, arguments.steps),
        "dcgan, preset cifar10": (read_preset("cifar10") | colour, arguments.steps),
        "dcgan as published, 64 × 64, batches of 32": (colour | PUBLISHED_DCGAN, 2),
        "r3gan, a sixth as wide": (
            read_preset("cifar10-r3gan") | colour | {"architecture_config": SMALL_R3GAN, "batch_size": 32},
            max(1, arguments.steps // 8),
        ),
        "r3gan, preset cifar10-r3gan, batches of 8": (read_preset("cifar10-r3gan") | colour | {"batch_size": 8}, 1),
    }
    rows = []
    for name, (settings, steps) in recipes.items():
        kernels = shares(TrainingConfig(**settings), steps)
        other = {kernel: share for kernel, share in kernels.items() if not any(word in kernel for word in COMPUTING)}
        largest = sorted(other, key=lambda kernel: -other[kernel])[:6]
        rows.append([name, f"{sum(other.values()):.1%}", ", ".join(f"{k} {other[k]:.1%}" for k in largest)])
    print_table("Time outside convolutions and matrix products", ["step of", "share", "the largest parts"], rows)


if __name__ == "__main__":
    main()
