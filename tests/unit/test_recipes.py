"""Recipes of earlier versions: translated by hand here, read by the code, and those that shipped checkpoints keep."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.cli import main
from aigc_core.config import parse_config
from aigc_core.families.base import StepState, families
from aigc_core.families.gan.augmentation.pipeline import PipelineConfig
from aigc_core.families.gan.method import AdversarialConfig
from aigc_core.families.gan.networks import ImageShape
from aigc_core.families.gan.networks.r3gan import R3GANConfig, _widths
from aigc_core.families.gan.parts import with_parts
from aigc_core.families.schedule import Cosine
from aigc_core.training.presets import command_for, preset_names, read_preset
from aigc_core.training.presets.legacy import upgrade_recipe
from aigc_core.training.recipe import TrainingConfig

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


def test_settings_by_the_names_they_had_when_there_were_images_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    today = TrainingConfig(data="mnist", samples=7, checkpoint_samples=None)
    assert TrainingConfig.model_validate({"data": "mnist", "images": 7, "checkpoint_images": None}) == today
    asked: list[TrainingConfig] = []
    monkeypatch.setattr("aigc_core.pipeline.train", lambda config, *_, **__: asked.append(config))
    words = ["train", "--preset", "mnist-mlp", "--images", "99", "--set", "checkpoint_images=5", "--out", "RUN"]
    assert main(words) == 0
    assert (asked[0].samples, asked[0].checkpoint_samples) == (99, 5)


SHIPPED = sorted((ROOT / "checkpoints").rglob("config.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_the_recipe_of_a_shipped_checkpoint_is_understood(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its method can be built, and the command in its card makes the same recipe."""
    config: dict[str, Any] = json.loads(path.read_text())
    recipe = upgrade_recipe(config["recipe"])
    made = TrainingConfig(**recipe)
    spec = parse_config(CheckpointConfig, config, str(path)).spec
    asked: list[TrainingConfig] = []
    monkeypatch.setattr("aigc_core.pipeline.train", lambda config, *_, **__: asked.append(config))
    assert main(shlex.split(command_for(config["recipe"]))[3:]) == 0
    assert [each.model_dump() for each in asked] == [made.model_dump() | {"method_config": asked[0].method_config}]
    built = [
        families[made.family].build_method(made.method, config, spec, Accelerator(cpu=True))
        for config in (made.method_config, asked[0].method_config)
    ]
    first, second = (vars(method)["config"].model_dump() for method in built)
    assert first == second and first


# γ at the start and at the end, the half-life of the moving average, the share of augmentation, over how many images,
# and batches of how many, as in the authors' train.py and README (github.com/brownvc/R3GAN).
R3GAN = {
    "cifar10-r3gan": (0.05, 0.005, 5e6, 0.55, 2e7, 512, [768, 768, 768, 768]),
    "ffhq64-r3gan": (2, 0.2, 5e5, 0.3, 2e7, 256, [768, 768, 768, 768, 384]),
    "ffhq256-r3gan": (150, 15, 5e5, 0.3, 2e7, 256, [768, 768, 768, 768, 384, 192, 96]),
    "imagenet32-r3gan": (0.5, 0.05, 5e7, 0.5, 2e8, 4096, [1536, 1536, 1536, 1536]),
    "imagenet64-r3gan": (1, 0.1, 5e7, 0.4, 2e8, 4096, [1536, 1536, 1536, 1536, 1536]),
}


@pytest.mark.parametrize("name", R3GAN)
def test_r3gan_as_published(name: str) -> None:
    first_gamma, last_gamma, half_life, share, samples, batch_size, widths = R3GAN[name]
    recipe = TrainingConfig(**read_preset(name))
    config = parse_config(with_parts(AdversarialConfig), recipe.method_config, "method_config").model_dump()
    augmentation = PipelineConfig(**recipe.method_config["augmentation_config"])
    adam, r1, r2 = (config[part] for part in ("optimizer", "r1", "r2"))
    assert r1 == r2 and r1["interval"] == 1 and adam["discriminator_learning_rate"] is None and adam["betas"][0] == 0
    for schedule, start, end in (
        (r1["gamma"], first_gamma, last_gamma),
        (adam["learning_rate"], 2e-4, 5e-5),
        (adam["betas"][1], 0.9, 0.99),
        (recipe.ema_half_life, 0, half_life),
        (augmentation.strength, 0, share),
    ):
        follows = Cosine.model_validate(schedule)
        for seen, value in ((0, start), (samples / 2, (start + end) / 2), (samples, end), (3 * samples, end)):
            assert follows.at(StepState(0, 0.0, int(seen), None)) == pytest.approx(value)  # type: ignore[arg-type]
    assert (augmentation.geometry, augmentation.colour, augmentation.cutout) == (1, 0.5, 1)
    assert (recipe.batch_size, recipe.ema_ramp_up, recipe.horizontal_flip) == (batch_size, None, True)
    assert config["penalise_before_augmentation"] and config["loss"] == "relativistic"
    networks = R3GANConfig(**recipe.architecture_config)
    shape = ImageShape(channels=3, resolution=recipe.shape.get("resolution", 32))
    for width in (networks.generator_width, networks.discriminator_width):
        assert _widths(width, networks, shape) == widths
    groups = {width * networks.expansion // networks.group_width for width in widths}
    assert max(groups) == 96 and (networks.blocks, networks.latent_dim) == (2, 64)
