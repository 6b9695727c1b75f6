"""One trial: train a recipe, measure it. What is finished is kept in `runs/benchmarks` and not done again."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from aigc_core import Checkpoint
from aigc_core.config import parse_config
from aigc_core.data.datasets import load_dataset
from aigc_core.evaluation.evaluate import DEFAULT_NUM_SAMPLES, evaluate
from aigc_core.evaluation.real_samples import default_reference, second_judges
from aigc_core.evaluation.results import Result, read_results
from aigc_core.evaluation.sample_set import SampleSet
from aigc_core.evaluation.samples_alone import evaluate_samples
from aigc_core.modalities.png import to_picture
from aigc_core.pipeline import train
from aigc_core.rng import seeded_generator
from aigc_core.training.presets import apply_setting, read_preset
from aigc_core.training.recipe import TrainingConfig

FOLDER = Path("runs/benchmarks")


def threads(at_once: int) -> int:
    """The share of this process's cores that each of so many processes has."""
    return max(1, len(os.sched_getaffinity(0)) // at_once)


def cores(at_once: int) -> str:
    """That share in words."""
    return "one core" if threads(at_once) == 1 else f"{threads(at_once)} cores"


def side_by_side(at_once: int) -> ProcessPoolExecutor:
    """So many processes, each of which computes on its share of the cores."""
    torch.set_num_threads(threads(at_once))
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(at_once, context, torch.set_num_threads, (threads(at_once),))


def preset_recipe(preset: str, *settings: str) -> dict[str, Any]:
    """A preset's settings, changed by `key=value` as `train --set` takes them."""
    recipe = read_preset(preset)
    for setting in settings:
        apply_setting(recipe, setting)
    return recipe


def trial(name: str, recipe: dict[str, Any]) -> tuple[Checkpoint, Result]:
    """Train a recipe as `trained` does, and measure it by the classifier of its data."""
    checkpoint = trained(name, recipe)
    results = read_results(FOLDER / name / "finished")
    return checkpoint, results[0] if results else evaluate(checkpoint)


def trained(name: str, recipe: dict[str, Any]) -> Checkpoint:
    """Train a recipe into `runs/benchmarks/NAME`, unless that has been done.

    A run that was interrupted begins again, so that training by the clock is not cut in two.
    """
    folder = FOLDER / name
    finished = folder / "finished"
    if not finished.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        newest = train(parse_config(TrainingConfig, recipe, name), folder, trackers=())
        newest.rename(finished)
    return Checkpoint.from_pretrained(finished)


def both_judges(checkpoint: Checkpoint, metrics: Collection[str], num_samples: int) -> tuple[Result, Result]:
    """Measure by the classifier of the data, and by the judge that nothing was tuned on, unless that has been done;
    drawn once for both."""
    known = [] if checkpoint.path is None else read_results(checkpoint.path)
    if len(of_as_many := [each for each in known if each.protocol.num_samples == num_samples]) == 2:
        return of_as_many[0], of_as_many[1]
    first = default_reference(checkpoint.config, None, None)
    [second] = second_judges(first)
    options = {"metrics": metrics, "num_samples": num_samples}
    by_first = evaluate(checkpoint, reference=first, next_extractors=[second.extractor], **options)
    return by_first, evaluate(checkpoint, reference=second, **options)


def real_against_real(data: str) -> Result:
    """Measure as many training images as samples are drawn, as if they had been generated."""
    folder = FOLDER / f"{data}-real"
    if not (results := read_results(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        images = load_dataset(data).images
        for index in torch.randperm(len(images), generator=seeded_generator(0))[:DEFAULT_NUM_SAMPLES].tolist():
            to_picture(images[index]).save(folder / f"{index}.png")
        results = [evaluate_samples(SampleSet(folder, folder), data)]
    return results[0]
