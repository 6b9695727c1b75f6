"""One trial: train a recipe, measure it. What is finished is kept in `runs/benchmarks` and not done again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from aigc_core import Checkpoint
from aigc_core.commands.train import apply_setting, read_preset
from aigc_core.config import parse_config
from aigc_core.evaluation import evaluate
from aigc_core.results import Result, read_results
from aigc_core.training import TrainingConfig, train

FOLDER = Path("runs/benchmarks")


def preset_recipe(preset: str, *settings: str) -> dict[str, Any]:
    """A preset's settings, changed by `key=value` as `train --set` takes them."""
    recipe = read_preset(preset)
    for setting in settings:
        apply_setting(recipe, setting)
    return recipe


def trial(name: str, recipe: dict[str, Any]) -> tuple[Checkpoint, Result]:
    """Train a recipe into `runs/benchmarks/NAME` and measure it, unless that has been done.

    A run that was interrupted begins again, so that training by the clock is not cut in two.
    """
    folder = FOLDER / name
    finished = folder / "finished"
    if not finished.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        newest = train(parse_config(TrainingConfig, recipe, name), folder, trackers=())
        newest.rename(finished)
    checkpoint = Checkpoint.from_pretrained(finished)
    results = read_results(finished)
    return checkpoint, results[0] if results else evaluate(checkpoint)
