"""Recipes of earlier versions, as runs and checkpoints keep them, in today's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def upgrade_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe in today's form; one that has it already comes back as it is.

    At first a GAN's `method_config` was one level of flat keys, with one-stage training as a flag.
    """
    upgraded = dict(recipe)
    if isinstance(flat := recipe.get("method_config"), Mapping):
        config = dict(flat)
        if config.pop("one_stage", False):
            upgraded["method"] = "one_stage"
            config.pop("discriminator_steps", None)
        upgraded["method_config"] = _penalties(config) | _optimizer(config) | _weighted_parts(config) | config
    return upgraded


def _penalties(config: dict[str, Any]) -> dict[str, Any]:
    """R1 was on by default, and R2 off; they had one interval. Takes what it translates out of `config`."""
    if not config.keys() & {"r1_gamma", "r2_gamma", "penalty_interval"}:
        return {}
    interval = config.pop("penalty_interval", 8)
    gammas = {"r1": config.pop("r1_gamma", 1.0), "r2": config.pop("r2_gamma", 0.0)}
    penalties = {name: {"gamma": gamma, "interval": interval} for name, gamma in gammas.items() if gamma}
    return {"r1": None} | penalties


def _optimizer(config: dict[str, Any]) -> dict[str, Any]:
    """Both rates had one decay, linear from a share of the run on. Takes what it translates out of `config`."""
    if not config.keys() & {"generator_learning_rate", "discriminator_learning_rate", "betas", "decay_start"}:
        return {}
    decay_from = config.pop("decay_start", 0.6)
    rate, other = (config.pop(f"{name}_learning_rate", 1e-3) for name in ("generator", "discriminator"))

    def schedule(value: float) -> Any:
        return value if decay_from == 1 else {"value": value, "decay_from": decay_from}

    optimizer = {"learning_rate": schedule(rate)}
    if other != rate:
        optimizer["discriminator_learning_rate"] = schedule(other)
    if "betas" in config:
        optimizer["betas"] = list(config.pop("betas"))
    return {"optimizer": optimizer}


def _weighted_parts(config: dict[str, Any]) -> dict[str, Any]:
    """A number of its own stood for each; zero left it out. Takes what it translates out of `config`."""
    parts: dict[str, Any] = {}
    for key, part, setting in (
        ("gradient_penalty", "wasserstein_penalty", "weight"),
        ("classification_weight", "classification", "weight"),
        ("feature_matching_weight", "feature_matching", "weight"),
        ("discriminator_head_start", "head_start", "share"),
    ):
        if key in config:
            value = config.pop(key)
            parts[part] = {setting: value} if value else None
    return parts
