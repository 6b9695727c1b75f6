"""One trial: train a recipe, measure it. What is finished is kept in `runs/benchmarks` and not done again."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aigc_core import Checkpoint
from aigc_core.config import parse_config
from aigc_core.evaluation.evaluate import evaluate
from aigc_core.evaluation.real_samples import default_reference, second_judges
from aigc_core.evaluation.results import SAMPLING_SEED, Result, read_results
from aigc_core.evaluation.sample_set import SampleSet
from aigc_core.evaluation.samples_alone import evaluate_samples
from aigc_core.metrics.extractors import judges
from aigc_core.pipeline import train
from aigc_core.training.presets import apply_setting, read_preset
from aigc_core.training.recipe import TrainingConfig

FOLDER = Path("runs/benchmarks")
BATCH = 500


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


def judged_with(
    checkpoint: Checkpoint, settings: Sequence[str], metrics: Collection[str], num_samples: int
) -> tuple[Result, Result]:
    """Measure samples drawn with other settings than the model's own, such as `steps=50`, as files, by both judges."""
    assert checkpoint.path is not None
    folder = checkpoint.path.parent / " ".join(settings)
    options: dict[str, Any] = {}
    for setting in settings:
        apply_setting(options, setting)
    started, count = time.perf_counter(), len(list(folder.glob("*.png")))
    for seed in range(count, num_samples, BATCH):
        drawn = checkpoint.sample(seed=SAMPLING_SEED + seed, count=min(BATCH, num_samples - seed), **options)
        drawn.save(folder)
    seconds = (time.perf_counter() - started) / (num_samples - count) if count < num_samples else None
    first, second = (
        evaluate_samples(SampleSet(folder, folder), checkpoint.config.dataset, extractor, metrics=metrics)
        for extractor in judges(checkpoint.config.dataset)
    )
    return first.model_copy(update={"seconds_per_sample": seconds}), second


@dataclass(frozen=True)
class Run:
    """One training seed of a recipe, trained by the clock; `results`: of the first judge, then of the second."""

    family: str
    steps: int
    parameters: int
    results: tuple[Result, Result]


def run(
    name: str,
    recipe: dict[str, Any],
    seconds: float,
    metrics: Collection[str],
    num_samples: int,
    settings: Sequence[str] = (),
) -> Run:
    """Train a recipe for so many seconds of this process's threads, unless that has been done, and measure it.

    `name`: of the recipe and its training seed. `settings`: of drawing, such as `steps=50`.
    """
    checkpoint = trained(f"{seconds:g}-of-{torch.get_num_threads()}/{name}", recipe | {"seconds": seconds})
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    results = (
        judged_with(checkpoint, settings, metrics, num_samples)
        if settings
        else both_judges(checkpoint, metrics, num_samples)
    )
    return Run(checkpoint.config.family, checkpoint.config.step, parameters, results)


def add_options(parser: ArgumentParser) -> None:
    """What a benchmark of recipes that are trained by the clock can be told."""
    parser.add_argument("--seconds", type=float, default=600, help="of training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num-samples", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=1, help="runs side by side, each on its share of the cores")


def runs_of(
    recipes: Mapping[str, dict[str, Any]], arguments: Namespace, metrics: Collection[str]
) -> dict[str, list[Run]]:
    """The runs of recipes over training seeds, with the options; a name may carry settings of drawing."""
    with side_by_side(arguments.at_once) as pool:
        waiting = {
            name: [
                pool.submit(
                    *(run, f"{recipe_name}-{seed}", recipe | {"seed": seed}),
                    *(arguments.seconds, metrics, arguments.num_samples, settings),
                )
                for seed in range(arguments.seeds)
            ]
            for name, recipe in recipes.items()
            for recipe_name, *settings in [name.split()]
        }
        return {name: [one.result() for one in of_recipe] for name, of_recipe in waiting.items()}


def title_of(arguments: Namespace) -> str:
    """How the runs of a table were made."""
    return (
        f"{arguments.seconds:g} s of {cores(arguments.at_once)} a training, {arguments.seeds} training seeds, "
        f"{arguments.num_samples:,} samples"
    )


def mean_figure(results: Sequence[Result], name: str) -> str:
    """The mean of a figure over training seeds, `±` half of the interval of one run or, from two seeds on, the standard
    deviation over them, whichever is larger; "–" where it was not measured."""
    figures = [result.figures[name] for result in results if name in result.figures]
    if not figures:
        return "–"
    values = [figure.value for figure in figures]
    doubt = max((figure.high - figure.low) / 2 for figure in figures)
    if len(values) > 1:
        doubt = max(doubt, statistics.stdev(values))
    return f"{statistics.mean(values):.3g} ± {doubt:.2g}"
