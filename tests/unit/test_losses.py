"""Losses and penalties against hand calculation and autograd."""

import math

import pytest
import torch

from aigc_core.families.gan.losses import losses
from aigc_core.families.gan.parts.wasserstein_penalty import wasserstein_gradient_penalty
from aigc_core.families.gan.parts.zero_centred_penalty import zero_centred_gradient_penalty

REAL = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
FAKE = torch.tensor([-0.25, 1.5, 0.0], dtype=torch.float64)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


PAIRS = list(zip(REAL.tolist(), FAKE.tolist()))

# Each objective written out from its paper in plain Python.
EXPECTED = {
    "non_saturating": (
        mean([-math.log(sigmoid(r)) for r, _ in PAIRS]) + mean([-math.log(1 - sigmoid(f)) for _, f in PAIRS]),
        mean([-math.log(sigmoid(f)) for _, f in PAIRS]),
    ),
    "hinge": (
        mean([max(0.0, 1 - r) for r, _ in PAIRS]) + mean([max(0.0, 1 + f) for _, f in PAIRS]),
        -mean([f for _, f in PAIRS]),
    ),
    "least_squares": (
        mean([(r - 1) ** 2 / 2 for r, _ in PAIRS]) + mean([f**2 / 2 for _, f in PAIRS]),
        mean([(f - 1) ** 2 / 2 for _, f in PAIRS]),
    ),
    "wasserstein": (mean([f for _, f in PAIRS]) - mean([r for r, _ in PAIRS]), -mean([f for _, f in PAIRS])),
    "relativistic": (
        mean([-math.log(sigmoid(r - f)) for r, f in PAIRS]),
        mean([-math.log(sigmoid(f - r)) for r, f in PAIRS]),
    ),
}


@pytest.mark.parametrize("name", sorted(losses))
def test_objectives_equal_their_papers(name: str) -> None:
    discriminator, generator = EXPECTED[name]
    assert losses[name].discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-12)
    assert losses[name].generator(REAL, FAKE).item() == pytest.approx(generator, rel=1e-12)


@pytest.mark.parametrize("name", sorted(losses))
def test_gradients_equal_finite_differences(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    assert torch.autograd.gradcheck(losses[name].discriminator, (real, fake))
    assert torch.autograd.gradcheck(lambda f: losses[name].generator(REAL, f), (fake,))


@pytest.mark.parametrize("name", sorted(losses))
def test_each_player_gains_by_what_it_should_do(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    if name != "least_squares":  # whose optimum is at the targets 0 and 1, not at infinity
        losses[name].discriminator(real, fake).backward()
        assert (real.grad <= 0).all() and real.grad.sum() < 0
        assert (fake.grad >= 0).all() and fake.grad.sum() > 0
    fake = torch.tensor([-0.5, 0.5], dtype=torch.float64, requires_grad=True)
    losses[name].generator(torch.zeros(2, dtype=torch.float64), fake).backward()
    assert (fake.grad < 0).all()


def quadratic(images: torch.Tensor) -> torch.Tensor:
    """D(x) = Σ x² / 2 for each image, whose gradient is x itself."""
    return images.square().sum((1, 2, 3)) / 2


def test_zero_centred_penalty_of_a_quadratic() -> None:
    images = torch.randn(5, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    penalty = zero_centred_gradient_penalty(images, quadratic(images))
    assert penalty.item() == pytest.approx(images.detach().square().sum((1, 2, 3)).mean().item(), rel=1e-12)
    (gradient,) = torch.autograd.grad(penalty, images)
    torch.testing.assert_close(gradient, 2 * images.detach() / 5)


def test_wasserstein_penalty_of_a_quadratic() -> None:
    real, fake = torch.randn(2, 4, 1, 3, 3, dtype=torch.float64)
    mixing = torch.rand(4, 1, 1, 1, dtype=torch.float64)
    between = real + mixing * (fake - real)
    expected = (between.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(wasserstein_gradient_penalty(quadratic, real, fake, mixing), expected)
