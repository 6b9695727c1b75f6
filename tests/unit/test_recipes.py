"""Recipes of earlier versions: translated by hand here, read by the code, and those that shipped checkpoints keep."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from aigc_core.cli import main
from aigc_core.families.base import families
from aigc_core.families.gan.base import GANTraining
from aigc_core.families.gan.networks import ImageShape
from aigc_core.training.presets import command_for, preset_names, read_preset
from aigc_core.training.presets.legacy import upgrade_recipe
from aigc_core.training.recipe import TrainingConfig
from tests.toy_models import spec_of

ROOT = Path(__file__).parents[2]
LARGE = {
    "loss": "non_saturating",
    "r1_gamma": 0.1,
    "penalty_interval": 16,
    "classification_weight": 0,
    "generator_learning_rate": 5e-05,
    "discriminator_learning_rate": 0.001,
    "feature_matching_weight": 2,
    "discriminator_head_start": 0.333,
    "decay_start": 0.7,
}


def test_a_flat_recipe_by_hand() -> None:
    assert upgrade_recipe({"data": "mnist", "method_config": LARGE}) == {
        "data": "mnist",
        "method_config": {
            "loss": "non_saturating",
            "r1": {"gamma": 0.1, "interval": 16},
            "classification": None,
            "feature_matching": {"weight": 2},
            "head_start": {"share": 0.333},
            "optimizer": {
                "learning_rate": {"value": 5e-05, "decay_from": 0.7},
                "discriminator_learning_rate": {"value": 0.001, "decay_from": 0.7},
            },
        },
    }


@pytest.mark.parametrize(
    ("flat", "expected"),
    [
        ({}, {}),
        ({"loss": "hinge", "augmentation": "ada"}, {"loss": "hinge", "augmentation": "ada"}),
        ({"r1_gamma": 0}, {"r1": None}),
        ({"r1_gamma": 2}, {"r1": {"gamma": 2, "interval": 8}}),
        ({"r2_gamma": 3.0}, {"r1": {"gamma": 1.0, "interval": 8}, "r2": {"gamma": 3.0, "interval": 8}}),
        (
            {"gradient_penalty": 10, "discriminator_steps": 5},
            {"wasserstein_penalty": {"weight": 10}, "discriminator_steps": 5},
        ),
        ({"decay_start": 1.0}, {"optimizer": {"learning_rate": 1e-3}}),
        (
            {"betas": (0.5, 0.999)},
            {"optimizer": {"learning_rate": {"value": 1e-3, "decay_from": 0.6}, "betas": [0.5, 0.999]}},
        ),
        ({"one_stage": False}, {}),
    ],
)
def test_flat_settings_by_hand(flat: dict, expected: dict) -> None:
    assert upgrade_recipe({"method_config": flat}) == {"method_config": expected}


def test_one_stage_was_a_flag() -> None:
    flat = {"one_stage": True, "discriminator_steps": 1, "loss": "wasserstein"}
    expected = {"method": "one_stage", "method_config": {"loss": "wasserstein"}}
    assert upgrade_recipe({"method_config": flat}) == expected


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_of_today(name: str) -> None:
    recipe = read_preset(name)
    assert upgrade_recipe(recipe) == recipe


SHIPPED = sorted((ROOT / "checkpoints").rglob("config.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_the_recipe_of_a_shipped_checkpoint_is_understood(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its method can be built, and the command in its card makes the same recipe."""
    config: dict[str, Any] = json.loads(path.read_text())
    recipe = upgrade_recipe(config["recipe"])
    made = TrainingConfig(**recipe)
    shape = ImageShape(**config["image_shape"])
    asked: list[TrainingConfig] = []
    monkeypatch.setattr("aigc_core.pipeline.train", lambda config, *_, **__: asked.append(config))
    assert main(shlex.split(command_for(config["recipe"]))[3:]) == 0
    assert [each.model_dump() for each in asked] == [made.model_dump() | {"method_config": asked[0].method_config}]
    built = [
        families["gan"].build_method(
            made.method, config, spec_of(made.architecture, made.architecture_config, shape), Accelerator(cpu=True)
        )
        for config in (made.method_config, asked[0].method_config)
    ]
    assert all(isinstance(method, GANTraining) for method in built)
    first, second = (method.config.model_dump() for method in built if isinstance(method, GANTraining))
    assert first == second
