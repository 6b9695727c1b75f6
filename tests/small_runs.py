"""Trainings of seconds: their recipes, and the commands that start them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aigc_core.training.recipe import TrainingConfig

SETTINGS = {
    "architecture": "dcgan",
    "architecture_config.generator_width": 4,
    "architecture_config.discriminator_width": 4,
    "architecture_config.latent_dim": 8,
    "method": "adversarial",
    "method_config.r1.gamma": 1.0,
    "method_config.r1.interval": 8,
    "batch_size": 8,
    "resolution": 28,
    "channels": 1,
    "checkpoint_samples": 80,
    "horizontal_flip": "true",
    "method_config.augmentation": "ada",
    "method_config.feature_matching.weight": 0.1,
}


def command(data: Path, out: Path, images: int, *more: str) -> list[str]:
    settings = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    start = [sys.executable, "-m", "aigc_core", "train", "--preset", "folder", "--data", str(data), "--out", str(out)]
    return [*start, "--samples", str(images), *settings, *more]


ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def config(data: Path, **changes: object) -> TrainingConfig:
    values = {
        "data": str(data),
        "resolution": 28,
        "channels": 1,
        "architecture": "mlp",
        "method_config": {"r1": {"gamma": 1.0}},
        "samples": 160,
        "batch_size": 8,
        "checkpoint_samples": 80,
    }
    return TrainingConfig(**(values | changes))  # type: ignore[arg-type]
