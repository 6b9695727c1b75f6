"""The adversarial step's terms, against hand calculation."""

import pytest
import torch
from accelerate import Accelerator

from aigc_core import AIGCError
from aigc_core.adversarial import AdversarialTraining
from aigc_core.draws import StepDraws
from aigc_core.losses import losses
from aigc_core.models import ImageShape

SHAPE = ImageShape(channels=1, resolution=28, num_classes=3)
SMALL = {"generator_width": 8, "discriminator_width": 8, "discriminator_features": 0}


def method(architecture: str = "dcgan", shape: ImageShape = SHAPE, **config: float | str) -> AdversarialTraining:
    torch.manual_seed(0)
    settings = SMALL if architecture == "dcgan" else {}
    return AdversarialTraining({"r1_gamma": 0, **config}, architecture, settings, shape, Accelerator(cpu=True))


@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
def test_labels_weigh_out_the_class_scores(architecture: str) -> None:
    discriminator = method(architecture).discriminator.eval()
    images, labels = torch.rand(5, 1, 28, 28) * 2 - 1, torch.rand(5, 3).softmax(1)
    scores = discriminator.class_scores(images)
    expected = torch.stack([discriminator(images, torch.eye(3)[[label] * 5]) for label in range(3)], 1)
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(discriminator(images, labels), (scores * labels).sum(1))


def test_classification_adds_its_weight_times_the_mean_log_probability_of_the_class() -> None:
    images, chosen = torch.rand(6, 1, 28, 28) * 2 - 1, [0, 1, 2, 0, 1, 2]
    plain, classifying = (
        method(classification_weight=weight).step(
            images, torch.eye(3)[chosen], 1, 0.0, StepDraws(0, 0, 6, 0, 1, torch.device("cpu"))
        )
        for weight in (0.0, 0.25)
    )
    measured = method(classification_weight=0.25)
    probabilities = measured.discriminator.class_scores(images).softmax(1)
    surprise = -sum(probabilities[row, label].log() for row, label in enumerate(chosen)) / 6
    added = classifying["discriminator_loss"] - plain["discriminator_loss"]
    assert added.item() == pytest.approx(0.25 * surprise.item(), rel=1e-4)
    assert classifying["generator_loss"] > plain["generator_loss"]


def test_classification_needs_classes_and_scores() -> None:
    with pytest.raises(AIGCError, match="needs classes"):
        method(shape=ImageShape(channels=1, resolution=28), classification_weight=1)
    with pytest.raises(AIGCError, match="scores"):
        method("mlp", classification_weight=1)


@pytest.mark.parametrize("loss", ["non_saturating", "wasserstein", "relativistic"])
def test_one_stage_gives_the_generator_its_own_gradients(loss: str) -> None:
    """Both networks' gradients are those of their objectives before either of them moves."""
    images, labels = torch.rand(6, 1, 28, 28) * 2 - 1, torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    settings = {"loss": loss, "one_stage": True, "r1_gamma": 1.0}
    draws = (StepDraws(0, 1, 6, 0, 1, torch.device("cpu")) for _ in range(2))
    trained, untouched = method(**settings), method(**settings)
    trained.step(images, labels, 1, 0.0, next(draws))
    generated = untouched.generator(next(draws).normal(100), labels)
    logits = untouched.discriminator(images, labels), untouched.discriminator(generated, labels)
    for name in ("generator", "discriminator"):
        parameters = list(getattr(untouched, name).parameters())
        expected = torch.autograd.grad(getattr(losses[loss], name)(*logits), parameters, retain_graph=True)
        for parameter, gradient in zip(getattr(trained, name).parameters(), expected):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"loss": "hinge"}, {"r2_gamma": 1}, {"classification_weight": 1}, {"discriminator_steps": 2}]
)
def test_one_stage_refuses_what_it_cannot_give(settings: dict) -> None:
    with pytest.raises(AIGCError, match="one_stage needs"):
        method(one_stage=True, **settings)


def test_one_stage_refuses_a_discriminator_that_compares_images() -> None:
    with pytest.raises(AIGCError, match="by itself"):
        method("style", one_stage=True)
