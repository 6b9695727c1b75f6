"""The adversarial step's terms, against hand calculation."""

import pytest
import torch
from accelerate import Accelerator

from aigc_core import AIGCError
from aigc_core.adversarial import AdversarialTraining
from aigc_core.draws import StepDraws
from aigc_core.models import ImageShape

SHAPE = ImageShape(channels=1, resolution=28, num_classes=3)
SMALL = {"generator_width": 8, "discriminator_width": 8, "discriminator_features": 0}


def method(architecture: str = "dcgan", shape: ImageShape = SHAPE, **config: float) -> AdversarialTraining:
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
