"""Recipes rather than single runs: which checkpoints differ only in the training seed, and what they show together."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from scipy import stats

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.metrics.estimate import Estimate
from aigc_core.training.presets.legacy import upgrade_recipe
from aigc_core.training.recipe import TrainingConfig
from aigc_core.training.resume import flat_settings

NO_PART = frozenset({"seed", "preset", "checkpoint_samples"})
"""Settings that recipes of one group may differ in: the seed, a name, and when checkpoints are kept."""
LEVEL = 0.975
"""The level of the quantile at the upper end of a 95 % interval."""


def training_seed(config: CheckpointConfig) -> int:
    """The seed that a checkpoint was trained with."""
    return int(config.recipe.get("seed", 0))


def recipe_id(config: CheckpointConfig) -> str:
    """10 hexadecimal digits that identify how a checkpoint was made, except for the training seed; empty if its recipe
    is unknown.

    Checkpoints of runs of so many samples share an id if they have seen equally many; of runs of so many seconds, if
    they trained for all of them. Data are identified by the hash of their content or, without one, by their name.
    """
    content = _content(config)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10] if content else ""


def differences(configs: Sequence[CheckpointConfig]) -> list[str]:
    """What keeps checkpoints from being of one recipe: the names of settings, with what the checkpoints have. Empty if
    they are of one, as far as their recipes are known."""
    contents = [content for config in configs if (content := _content(config))]
    settings = [flat_settings(content) for content in contents]
    names = dict.fromkeys(name for each in settings for name in each)
    values = {name: dict.fromkeys(str(each.get(name)) for each in settings) for name in names}
    return [f"{name.removeprefix('recipe.')} ({', '.join(found)})" for name, found in values.items() if len(found) > 1]


def _content(config: CheckpointConfig) -> dict[str, Any]:
    """How a checkpoint was made, except for the training seed; empty if its recipe is unknown."""
    try:
        recipe = parse_config(TrainingConfig, upgrade_recipe(config.recipe), Sentence("The recipe"))
    except AIGCError:  # made by others, or by hand
        return {}
    left_out = NO_PART | ({"data"} if config.data_hash else set()) | ({"samples"} if recipe.seconds else set())
    ended = recipe.seconds is not None and config.training_seconds >= recipe.seconds
    return {
        "recipe": recipe.model_dump(mode="json", exclude=set(left_out)),
        "data_hash": config.data_hash,
        "parent": config.parent,
        "shape": config.shape,
        "samples_seen": "all" if ended else config.samples_seen,
    }


@dataclass(frozen=True)
class SeedEstimate:
    """A figure over `count` training seeds of a recipe: the mean, and the standard deviation of the values (`spread`).

    The mean's interval covers the variance of training and of sampling.
    """

    mean: Estimate
    spread: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean} (spread {self.spread:.2g} over {self.count} training seeds)"


def over_seeds(figures: Sequence[Estimate]) -> SeedEstimate:
    """The mean of a figure over two training seeds or more, evaluated by one protocol.

    The values' variance s² holds that of training and what sampling does to each alone. What sampling does to all of
    them, by the same real images and seeds, is the mean covariance c of their influence values (all of the sampling
    variance where these are missing). The variance of the mean is then s²/n + c, with the degrees of freedom of
    Satterthwaite (1946).
    """
    count = len(figures)
    values = numpy.array([figure.value for figure in figures])
    spread = float(numpy.std(values - values[0], ddof=1))
    trained, (shared, shared_freedom) = spread**2 / count, _shared_variance(figures)
    variance = trained + shared
    weights = trained**2 / (count - 1) + shared**2 / shared_freedom
    freedom = variance**2 / weights if weights > 0 else count - 1
    half_width = float(stats.t.ppf(LEVEL, freedom)) * math.sqrt(variance)
    biases = [figure.bias for figure in figures if figure.bias is not None]
    bias = float(numpy.mean(biases)) if biases else None
    mean = float(values.mean())
    return SeedEstimate(
        Estimate(
            value=mean,
            low=mean - half_width - max(bias or 0.0, 0.0),
            high=mean + half_width - min(bias or 0.0, 0.0),
            standard_error=math.sqrt(variance),
            bias=bias,
        ),
        spread,
        count,
    )


def _shared_variance(figures: Sequence[Estimate]) -> tuple[float, float]:
    """The variance that sampling gives to all values alike, and its degrees of freedom."""
    parts = {len(figure.influence_values) for figure in figures}
    if len(parts) > 1 or max(parts) < 2:
        return float(numpy.mean([figure.standard_error**2 for figure in figures])), math.inf
    (part,) = parts
    covariance = numpy.cov([figure.influence_values for figure in figures]) / part
    n = len(figures)
    shared = (covariance.sum() - covariance.trace()) / (n * (n - 1))
    return max(0.0, float(shared)), part - 1
