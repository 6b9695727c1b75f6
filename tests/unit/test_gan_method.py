"""The adversarial step's terms, against hand calculation."""

import pytest
import torch
from accelerate import Accelerator

from aigc_core import AIGCError
from aigc_core.families.gan import feature_matching
from aigc_core.families.gan.feature_matching import FeatureMatching
from aigc_core.families.gan.losses import losses
from aigc_core.families.gan.method import AdversarialTraining
from aigc_core.families.gan.networks import ImageShape
from aigc_core.rng import StepDraws

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
    scores = discriminator.class_scores(discriminator.features(images))
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
    discriminator = method(classification_weight=0.25).discriminator
    probabilities = discriminator.class_scores(discriminator.features(images)).softmax(1)
    surprise = -sum(probabilities[row, label].log() for row, label in enumerate(chosen)) / 6
    added = classifying["discriminator_loss"] - plain["discriminator_loss"]
    assert added.item() == pytest.approx(0.25 * surprise.item(), rel=1e-4)
    assert classifying["generator_loss"] > plain["generator_loss"]


def draws(seed: int = 0) -> StepDraws:
    return StepDraws(seed, 0, 6, 0, 1, torch.device("cpu"))


def test_a_lazy_penalty_weighs_half_gamma_times_its_interval() -> None:
    """γ/2 · E‖∇D‖² on real and on generated images, times the steps that go without it."""
    images, labels = torch.rand(6, 1, 28, 28) * 2 - 1, torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    trained, untouched = method(r1_gamma=0.5, r2_gamma=0.25, penalty_interval=4), method()
    generated = untouched.generator(draws().normal(100), labels).detach()
    measured = trained._discriminator_step(images, generated, labels, draws(), True)
    real, fake = images.clone().requires_grad_(), generated.clone().requires_grad_()
    logits = untouched.discriminator(real, labels), untouched.discriminator(fake, labels)
    loss = untouched.loss.discriminator(*logits)
    assert measured["discriminator_loss"].item() == pytest.approx(loss.item(), rel=1e-4)
    for name, weight, batch, judged in (
        ("r1_penalty", 4 * 0.5 / 2, real, logits[0]),
        ("r2_penalty", 4 * 0.25 / 2, fake, logits[1]),
    ):
        (gradient,) = torch.autograd.grad(judged.sum(), batch, create_graph=True)
        penalty = gradient.square().sum() / 6
        assert measured[name].item() == pytest.approx(penalty.item(), rel=1e-3)
        loss = loss + weight * penalty
    gradients = torch.autograd.grad(loss, list(untouched.discriminator.parameters()))
    for parameter, gradient in zip(trained.discriminator.parameters(), gradients):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
    assert not {"r1_penalty", "r2_penalty"} & trained.step(images, labels, 3, 0.0, draws()).keys()


def test_the_wasserstein_penalty_pulls_gradients_between_the_images_to_one() -> None:
    """λ E(‖∇D‖ − 1)² between pairs of images, at random (Gulrajani et al. 2017, algorithm 1), several steps of D."""
    images, labels = torch.rand(6, 1, 28, 28) * 2 - 1, torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    trained = method(loss="wasserstein", gradient_penalty=10.0, discriminator_steps=3)
    start = [parameter.detach().clone() for parameter in trained.discriminator.parameters()]
    steps = []
    trained.optimizers["discriminator"].register_step_post_hook(lambda *_: steps.append("discriminator"))
    trained.optimizers["generator"].register_step_post_hook(lambda *_: steps.append("generator"))
    measured = trained.step(images, labels, 1, 0.0, draws())
    assert steps == ["discriminator"] * 3 + ["generator"]
    assert measured["gradient_penalty"] > 0
    assert not any(torch.equal(old, new) for old, new in zip(start, trained.discriminator.parameters()) if old.any())
    once, untouched, random = method(loss="wasserstein", gradient_penalty=10.0), method(loss="wasserstein"), draws()
    generated = untouched.generator(random.normal(100), labels).detach()
    between = torch.lerp(images, generated, random.uniform(1, 1, 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(untouched.discriminator(between, labels).sum(), between)
    penalty = once.step(images, labels, 1, 0.0, draws())["gradient_penalty"]
    assert penalty.item() == pytest.approx((gradient.flatten(1).norm(dim=1) - 1).square().mean().item(), rel=1e-3)


def test_classification_needs_classes_and_scores() -> None:
    with pytest.raises(AIGCError, match="needs classes"):
        method(shape=ImageShape(channels=1, resolution=28), classification_weight=1)
    with pytest.raises(AIGCError, match="scores"):
        method("mlp", classification_weight=1)


def test_matched_features_are_those_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a memory of one batch, distance and gradient are those of its own means, by autograd."""
    monkeypatch.setattr(feature_matching, "MEMORY", 0.0)
    real, generated = torch.randn(6, 4), (torch.randn(6, 4) + 1).requires_grad_()
    chosen = torch.tensor([0, 1, 1, 0, 0, 1])
    matching = FeatureMatching(3, 4)  # no image is of the third class
    matching.update(real, generated, torch.eye(3)[chosen])
    distance = matching(generated, torch.eye(3)[chosen])
    variances = real.var(0, correction=0)
    expected = sum(
        (chosen == label).float().mean()
        * ((generated[chosen == label].mean(0) - real[chosen == label].mean(0)).square())
        / (2 * (variances + 0.01 * variances.mean()))
        for label in (0, 1)
    ).sum()
    torch.testing.assert_close(distance, expected)
    (gradient,) = torch.autograd.grad(distance, generated)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, generated)[0])


def test_matched_means_run_over_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, for one feature without classes; half of the memory is the last batch, a quarter is empty yet."""
    monkeypatch.setattr(feature_matching, "MEMORY", 0.5)
    matching, labels = FeatureMatching(0, 1), torch.zeros(2, 0)
    for real, generated in (([0.0, 2.0], [3.0, 3.0]), ([1.0, 3.0], [6.0, 6.0])):
        matching.update(torch.tensor(real)[:, None], torch.tensor(generated)[:, None], labels)
    gap = (3 + 2 * 6) / 3 - (1 + 2 * 2) / 3
    variance = (2 + 2 * 5) / 3 - (5 / 3) ** 2
    features = torch.tensor([[1.0], [4.0]], requires_grad=True)
    distance = matching(features, labels)
    assert distance.item() == pytest.approx(0.75 * gap**2 / (2 * 1.01 * variance))
    distance.backward()
    assert features.grad.flatten().tolist() == pytest.approx([0.75 * gap / (1.01 * variance) / 2] * 2)


@pytest.mark.parametrize("shape", [SHAPE, ImageShape(channels=1, resolution=28)])
def test_matching_adds_its_weight_times_the_distance_of_features(shape: ImageShape) -> None:
    images, labels = torch.rand(6, 1, 28, 28) * 2 - 1, torch.eye(3)[[0, 1, 2, 0, 1, 2], : shape.num_classes]
    trained, plain = method(shape=shape, feature_matching_weight=4.0), method(shape=shape)
    measured, without = (each.step(images, labels, 1, 0.0, draws()) for each in (trained, plain))
    assert measured["discriminator_loss"] == without["discriminator_loss"] and measured["feature_distance"] > 0
    added = measured["generator_loss"] - without["generator_loss"]
    assert added.item() == pytest.approx(4 * measured["feature_distance"].item(), rel=1e-3)
    assert not all(torch.equal(a, b) for a, b in zip(trained.generator.parameters(), plain.generator.parameters()))


def test_matching_needs_features() -> None:
    with pytest.raises(AIGCError, match="shows its features"):
        method("mlp", feature_matching_weight=1)


def test_a_head_start_leaves_the_generator_as_it_is() -> None:
    images, labels = torch.rand(6, 1, 28, 28) * 2 - 1, torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    trained, untouched = method(discriminator_head_start=0.25), method()
    for progress, moves in ((0.2, False), (0.25, True)):
        measured = trained.step(images, labels, 1, progress, draws())
        assert ("generator_loss" in measured) == moves
        for name in ("generator", "discriminator"):
            pairs = zip(getattr(trained, name).parameters(), getattr(untouched, name).parameters())
            assert all(torch.equal(a, b) for a, b in pairs) == (name == "generator" and not moves)


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
    "settings",
    [
        {"loss": "hinge"},
        {"r2_gamma": 1},
        {"classification_weight": 1},
        {"feature_matching_weight": 1},
        {"discriminator_steps": 2},
        {"discriminator_head_start": 0.5},
    ],
)
def test_one_stage_refuses_what_it_cannot_give(settings: dict) -> None:
    with pytest.raises(AIGCError, match="one_stage needs"):
        method(one_stage=True, **settings)


def test_one_stage_refuses_a_discriminator_that_compares_images() -> None:
    with pytest.raises(AIGCError, match="by itself"):
        method("style", one_stage=True)
