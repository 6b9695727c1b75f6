"""The adversarial step's terms, against hand calculation."""

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from aigc_core import AIGCError
from aigc_core.config import Config
from aigc_core.families.base import Batch, StepState
from aigc_core.families.gan import augmentation, parts
from aigc_core.families.gan.augmentation import Augmentation
from aigc_core.families.gan.discriminator import ClassifyingDiscriminator
from aigc_core.families.gan.losses import losses
from aigc_core.families.gan.method import AdversarialTraining
from aigc_core.families.gan.networks import ImageShape
from aigc_core.families.gan.one_stage import OneStageTraining
from aigc_core.families.gan.parts import Part, Term, feature_matching
from aigc_core.families.gan.parts.feature_matching import FeatureDistance
from aigc_core.rng import StepDraws
from tests.toy_models import spec_of

SHAPE = ImageShape(channels=1, resolution=28, num_classes=3)
SMALL = {"generator_width": 8, "discriminator_width": 8, "discriminator_features": 0}


def method(architecture: str = "dcgan", shape: ImageShape = SHAPE, **config: Any) -> AdversarialTraining:
    torch.manual_seed(0)
    settings = SMALL if architecture == "dcgan" else {}
    return AdversarialTraining({"r1": None, **config}, spec_of(architecture, settings, shape), Accelerator(cpu=True))


def one_stage(architecture: str = "dcgan", **config: Any) -> OneStageTraining:
    torch.manual_seed(0)
    settings = SMALL if architecture == "dcgan" else {}
    return OneStageTraining(config, spec_of(architecture, settings, SHAPE), Accelerator(cpu=True))


def batch(shape: ImageShape = SHAPE) -> Batch:
    """Six random images of the classes 0, 1, 2, 0, 1, 2."""
    return Batch(torch.rand(6, 1, 28, 28) * 2 - 1, torch.eye(3)[[0, 1, 2, 0, 1, 2], : shape.num_classes])


def draws() -> StepDraws:
    return StepDraws(0, 0, 6, 0, 1, torch.device("cpu"))


def state(step: int = 1, progress: float = 0.0) -> StepState:
    return StepState(step, progress, 6 * step, draws())


@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
def test_labels_weigh_out_the_class_scores(architecture: str) -> None:
    discriminator = method(architecture).discriminator.eval()
    assert isinstance(discriminator, ClassifyingDiscriminator)
    images, labels = torch.rand(5, 1, 28, 28) * 2 - 1, torch.rand(5, 3).softmax(1)
    scores = discriminator.class_scores(discriminator.features(images))
    expected = torch.stack([discriminator(images, torch.eye(3)[[label] * 5]) for label in range(3)], 1)
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(discriminator(images, labels), (scores * labels).sum(1))


def test_classification_adds_its_weight_times_the_mean_log_probability_of_the_class() -> None:
    given = batch()
    measured, untouched = method(classification={"weight": 0.25}).step(given, state()), method()
    discriminator = untouched.discriminator
    assert isinstance(discriminator, ClassifyingDiscriminator)
    features = discriminator.features(given.samples)
    probabilities = discriminator.class_scores(features).softmax(1)
    class_loss = -sum(probabilities[row, row % 3].log() for row in range(6)) / 6
    assert measured["real_class_loss"].item() == pytest.approx(class_loss.item(), rel=1e-4)
    generated = untouched.generator(draws().normal(100), given.classes).detach()
    adversarial = untouched.loss.discriminator(
        discriminator(given.samples, given.classes), discriminator(generated, given.classes)
    )
    assert measured["discriminator_loss"].item() == pytest.approx(adversarial.item(), rel=1e-4)
    trained = method(classification={"weight": 0.25})
    trained.discriminator_step(given, generated, state())
    gradients = torch.autograd.grad(adversarial + 0.25 * class_loss, list(discriminator.parameters()))
    for parameter, gradient in zip(trained.discriminator.parameters(), gradients):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


def test_a_lazy_penalty_weighs_half_gamma_times_its_interval() -> None:
    """γ/2 · E‖∇D‖² on real and on generated images, times the steps that go without it."""
    given = batch()
    images, labels = given.samples, given.classes
    trained = method(r1={"gamma": 0.5, "interval": 4}, r2={"gamma": 0.25, "interval": 4})
    untouched = method()
    generated = untouched.generator(draws().normal(100), labels).detach()
    measured = trained.discriminator_step(given, generated, state(4))
    real, fake = images.clone().requires_grad_(), generated.clone().requires_grad_()
    logits = untouched.discriminator(real, labels), untouched.discriminator(fake, labels)
    loss = untouched.loss.discriminator(*logits)
    assert measured["discriminator_loss"].item() == pytest.approx(loss.item(), rel=1e-4)
    for name, weight, judged_images, judged in (
        ("r1_penalty", 4 * 0.5 / 2, real, logits[0]),
        ("r2_penalty", 4 * 0.25 / 2, fake, logits[1]),
    ):
        (gradient,) = torch.autograd.grad(judged.sum(), judged_images, create_graph=True)
        penalty = gradient.square().sum() / 6
        assert measured[name].item() == pytest.approx(penalty.item(), rel=1e-3)
        loss = loss + weight * penalty
    gradients = torch.autograd.grad(loss, list(untouched.discriminator.parameters()))
    for parameter, gradient in zip(trained.discriminator.parameters(), gradients):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
    assert not {"r1_penalty", "r2_penalty"} & trained.step(given, state(3)).keys()


def test_the_wasserstein_penalty_pulls_gradients_between_the_images_to_one() -> None:
    """λ E(‖∇D‖ − 1)² between pairs of images, at random (Gulrajani et al. 2017, algorithm 1), several steps of D."""
    given = batch()
    images, labels = given.samples, given.classes
    trained = method(loss="wasserstein", wasserstein_penalty={"weight": 10.0}, discriminator_steps=3)
    start = [parameter.detach().clone() for parameter in trained.discriminator.parameters()]
    steps = []
    trained.optimizers["discriminator"].register_step_post_hook(lambda *_: steps.append("discriminator"))
    trained.optimizers["generator"].register_step_post_hook(lambda *_: steps.append("generator"))
    measured = trained.step(given, state())
    assert steps == ["discriminator"] * 3 + ["generator"]
    assert measured["wasserstein_penalty"] > 0
    assert not any(torch.equal(old, new) for old, new in zip(start, trained.discriminator.parameters()) if old.any())
    once, untouched = method(loss="wasserstein", wasserstein_penalty={}), method(loss="wasserstein")
    random = draws()
    generated = untouched.generator(random.normal(100), labels).detach()
    between = torch.lerp(images, generated, random.uniform(1, 1, 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(untouched.discriminator(between, labels).sum(), between)
    penalty = once.step(given, state())["wasserstein_penalty"]
    assert penalty.item() == pytest.approx((gradient.flatten(1).norm(dim=1) - 1).square().mean().item(), rel=1e-3)


def test_classification_needs_classes_and_scores() -> None:
    with pytest.raises(AIGCError, match="needs classes"):
        method(shape=ImageShape(channels=1, resolution=28), classification={"weight": 1})
    with pytest.raises(AIGCError, match="scores"):
        method("mlp", classification={"weight": 1})


def test_matched_features_are_those_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a memory of one batch, distance and gradient are those of its own means, by autograd."""
    monkeypatch.setattr(feature_matching, "MEMORY", 0.0)
    real, generated = torch.randn(6, 4), (torch.randn(6, 4) + 1).requires_grad_()
    chosen = torch.tensor([0, 1, 1, 0, 0, 1])
    matching = FeatureDistance(3, 4)  # no image is of the third class
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
    matching, labels = FeatureDistance(0, 1), torch.zeros(2, 0)
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
    given = batch(shape)
    trained, plain = method(shape=shape, feature_matching={"weight": 4.0}), method(shape=shape)
    measured, without = (each.step(given, state()) for each in (trained, plain))
    for name in ("discriminator_loss", "generator_loss"):
        assert measured[name].item() == pytest.approx(without[name].item(), rel=1e-5)
    assert measured["feature_distance"] > 0
    generated = plain.generator(draws().normal(100), given.classes)
    again = [method(shape=shape, feature_matching={"weight": weight}) for weight in (0.0, 4.0)]
    for each in again:
        each.discriminator_step(given, generated.detach(), state())
        each.generator_step(given, each.generate(given.classes, state()), state())
    assert not all(torch.equal(a, b) for a, b in zip(again[0].generator.parameters(), again[1].generator.parameters()))


def test_matching_needs_features() -> None:
    with pytest.raises(AIGCError, match="shows its features"):
        method("mlp", feature_matching={"weight": 1})


def test_a_head_start_leaves_the_generator_as_it_is() -> None:
    trained, untouched = method(head_start={"share": 0.25}), method()
    for progress, moves in ((0.2, False), (0.25, True)):
        measured = trained.step(batch(), state(progress=progress))
        assert ("generator_loss" in measured) == moves
        for name in ("generator", "discriminator"):
            pairs = zip(getattr(trained, name).parameters(), getattr(untouched, name).parameters())
            assert all(torch.equal(a, b) for a, b in pairs) == (name == "generator" and not moves)


class NormConfig(Config):
    weight: float


class SquaredLogits(Part):
    """A part from outside: weight · E[D(real)²]."""

    name = "squared_logits"
    config_type = NormConfig

    def __init__(self, config: NormConfig, setup: parts.Setup) -> None:
        self.weight = config.weight

    def discriminator_terms(self, real: Any, fake: Any, state: StepState) -> dict[str, Term]:
        return {"squared_logits": Term(real.logits.square().mean(), self.weight)}


def test_a_part_from_outside_adds_its_term(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.parts, "_items", {name: parts.parts[name] for name in parts.parts})
    parts.register(SquaredLogits)
    given, untouched = batch(), method()
    measured = method(squared_logits={"weight": 2}).step(given, state())
    logits: Tensor = untouched.discriminator(given.samples, given.classes)
    assert measured["squared_logits"].item() == pytest.approx(logits.square().mean().item(), rel=1e-4)
    with pytest.raises(AIGCError, match="another part named 'squared_logits'"):
        parts.register(type("Other", (SquaredLogits,), {}))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"r1_gamma": 1}, "unknown key 'method_config.r1_gamma'; known keys are .*classification.*r1.*r2"),
        ({"r1": {"gama": 1}}, "unknown key 'method_config.r1.gama'; known keys are gamma, interval"),
        ({"r1": {"gamma": -1}}, "'method_config.r1.gamma' is wrong.*at least 0"),
        ({"loss": "none"}, "'method_config.loss' is wrong.*no loss 'none'"),
        ({"classification": {}}, "'method_config.classification.weight' is missing"),
    ],
)
def test_settings_that_are_none(settings: dict, sentence: str) -> None:
    with pytest.raises(AIGCError, match=sentence):
        method(**settings)


class Doubled(Augmentation):
    """An augmentation from outside: twice as bright."""

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return 2 * images


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_penalties_differentiate_before_or_after_augmentation(penalty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the chain rule, ∇ₓ D(2x) = 2 ∇D(2x): the penalty before is four times the one after."""
    known = augmentation.augmentations
    monkeypatch.setattr(known, "_items", {name: known[name] for name in known})
    augmentation.register("doubled")(Doubled)
    given, generated = batch(), torch.rand(6, 1, 28, 28)
    after, before = (
        method(augmentation="doubled", penalise_before_augmentation=choice, **{penalty: {}}).discriminator_step(
            given, generated, state(0)
        )
        for choice in (False, True)
    )
    assert before[f"{penalty}_penalty"].item() == pytest.approx(4 * after[f"{penalty}_penalty"].item(), rel=1e-4)
    assert before["discriminator_loss"].item() == pytest.approx(after["discriminator_loss"].item(), rel=1e-5)


def test_schedules_are_followed() -> None:
    """β₂, the rates and γ at half of a cosine, where half the change is done."""
    samples = {"samples": 12}
    trained = method(
        optimizer={
            "learning_rate": {"start": 2e-4, "end": 4e-4, **samples},
            "discriminator_learning_rate": {"value": 1e-3, "decay_from": 0.5},
            "betas": [0.1, {"start": 0.5, "end": 0.9, **samples}],
        },
        r1={"gamma": {"start": 4.0, "end": 2.0, **samples}, "interval": 1},
    )
    now = StepState(1, 0.75, 6, draws())
    trained.step(batch(), now)
    for name, rate in (("generator", 3e-4), ("discriminator", 5e-4)):
        (group,) = trained.optimizers[name].param_groups
        assert (group["lr"], group["betas"]) == (pytest.approx(rate), (0.1, pytest.approx(0.7)))
    real, fake = trained.judge_both(batch(), torch.rand(6, 1, 28, 28), now)
    assert trained.parts[0].discriminator_terms(real, fake, now)["r1_penalty"].weight == pytest.approx(3.0 / 2)


def test_penalties_need_images_judged_one_by_one() -> None:
    for penalty in ("r1", "r2", "wasserstein_penalty"):
        with pytest.raises(AIGCError, match="without batch normalisation"):
            AdversarialTraining(
                {"r1": None, penalty: {}},
                spec_of("dcgan", SMALL | {"discriminator_norm": "batch"}, SHAPE),
                Accelerator(cpu=True),
            )


@pytest.mark.parametrize("loss", ["non_saturating", "wasserstein", "relativistic"])
def test_one_stage_gives_the_generator_its_own_gradients(loss: str) -> None:
    """Both networks' gradients are those of their objectives before either of them moves."""
    given = batch()
    trained, untouched = one_stage(loss=loss), one_stage(loss=loss)
    trained.step(given, state())
    generated = untouched.generator(draws().normal(100), given.classes)
    logits = [untouched.discriminator(images, given.classes) for images in (given.samples, generated)]
    for name in ("generator", "discriminator"):
        parameters = list(getattr(untouched, name).parameters())
        expected = torch.autograd.grad(getattr(losses[loss], name)(*logits), parameters, retain_graph=True)
        for parameter, gradient in zip(getattr(trained, name).parameters(), expected):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loss": "hinge"}, "one_stage needs the loss"),
        ({"r2": {}}, "one_stage cannot train with r2"),
        ({"classification": {"weight": 1}}, "one_stage cannot train with classification"),
        ({"feature_matching": {"weight": 1}}, "one_stage cannot train with feature_matching"),
        ({"head_start": {"share": 0.5}}, "one_stage cannot train with head_start"),
        ({"discriminator_steps": 2}, "unknown key 'method_config.discriminator_steps'"),
    ],
)
def test_one_stage_refuses_what_it_cannot_give(settings: dict, sentence: str) -> None:
    with pytest.raises(AIGCError, match=sentence):
        one_stage(**settings)


def test_one_stage_refuses_a_discriminator_that_compares_images() -> None:
    with pytest.raises(AIGCError, match="by itself"):
        one_stage("style")
