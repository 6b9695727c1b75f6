"""Bits per dimension in an evaluation: each real sample with its own class and noise, whatever the batch."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from aigc_core import Checkpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.data.dataset import Dataset
from aigc_core.evaluation import likelihood
from aigc_core.evaluation.likelihood import importance_weighted_bits, likelihood_figures, real_sample_bits
from aigc_core.families.base import Condition, LatentVariableModel, LikelihoodModel, ModelSpec, families
from aigc_core.metrics.bits_per_dimension import bits_per_dimension
from aigc_core.modalities.image import ImageModality
from aigc_core.sampling.noise import draw_noise
from tests.toy_models import CLASS_NAMES, toy_checkpoint

KIND = ImageModality(channels=1, resolution=28)
SEED = 40


def dataset(number: int = 7, class_names: tuple[str, ...] = CLASS_NAMES) -> Dataset:
    pixels = torch.randint(256, (number, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Dataset("toy", pixels, torch.arange(number) % len(class_names), class_names, "", "")


def untrained_vae() -> Checkpoint:
    torch.manual_seed(0)
    config = {"latent_dim": 4, "width": 8, "refinements": 0}
    model = families["vae"].build_model(ModelSpec("convolutional", config, KIND, len(CLASS_NAMES)))
    stored = CheckpointConfig(
        family="vae",
        architecture="convolutional",
        architecture_config=config,
        shape={"channels": 1, "resolution": 28},
        num_classes=len(CLASS_NAMES),
        class_names=CLASS_NAMES,
        dataset="toy",
    )
    return Checkpoint(stored, model.eval().requires_grad_(False))


def test_each_real_sample_has_its_own_class_and_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "LIKELIHOOD_BATCH_SIZE", 3)
    checkpoint, data = untrained_vae(), dataset()
    bits, rows = real_sample_bits(checkpoint, data, SEED)
    assert isinstance(checkpoint.model, LikelihoodModel) and bits is not None and rows.tolist() == list(range(7))
    for row in range(7):
        noise, _ = draw_noise([SEED + row], (4,), 0)
        condition = Condition(torch.eye(3)[[row % 3]])
        alone = checkpoint.model.bits_per_dimension(KIND.to_model(data.samples[[row]]), condition, noise)
        torch.testing.assert_close(bits[[row]].float(), alone.float(), rtol=1e-5, atol=0)
    estimate = bits_per_dimension(bits)
    assert abs(estimate.value - bits.double().mean().item()) < 1e-9
    assert bits.std() > 0 and estimate.low < estimate.value < estimate.high


def test_importance_weighted_bits_are_those_of_all_latents_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "LATENTS", 3)
    checkpoint, data = untrained_vae(), dataset()
    model = checkpoint.model
    assert isinstance(model, LatentVariableModel)
    weighted = importance_weighted_bits(checkpoint, data, SEED)
    assert weighted is not None and len(weighted) == 7
    for row in range(7):
        noise, _ = draw_noise([SEED + row + 7 * draw for draw in range(3)], (4,), 0)
        repeated = KIND.to_model(data.samples[[row, row, row]])
        weights = model.log_importance_weights(repeated, Condition(torch.eye(3)[[row % 3] * 3]), noise)
        bits = (math.log(3) - numpy.logaddexp.reduce(weights.numpy())) / (math.log(2) * 784)
        assert weighted[row].item() == pytest.approx(bits, rel=1e-5)
    assert importance_weighted_bits(toy_checkpoint("dcgan"), data, SEED) is None
    figures = likelihood_figures(checkpoint, data, ["bits_per_dimension", "importance_weighted_bits"], SEED)
    assert list(figures) == ["bits_per_dimension", "importance_weighted_bits"]


def test_real_samples_are_spread_over_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "MAX_SAMPLES", 4)
    bits, rows = real_sample_bits(untrained_vae(), dataset(), SEED)
    assert bits is not None and len(bits) == 4 and rows.tolist() == [0, 2, 4, 6]


def test_without_a_likelihood_or_the_same_classes_nothing_is_measured() -> None:
    assert real_sample_bits(toy_checkpoint("dcgan"), dataset(), SEED)[0] is None
    assert real_sample_bits(untrained_vae(), dataset(class_names=("Cat", "Dog", "Cow")), SEED)[0] is None
