"""Variational autoencoders: terms against torch.distributions, the bound against the likelihood, and training."""

from __future__ import annotations

import math

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from aigc_core import AIGCError
from aigc_core.families.base import Batch, Condition, ModelSpec, StepState, families
from aigc_core.families.vae.model import VAE, VAEOptions, build_vae
from aigc_core.families.vae.objective import discretised_log_likelihood, gaussian_error, kl_divergence
from aigc_core.metrics.importance_weighted import importance_weighted_bound
from aigc_core.modalities.image import ImageModality
from aigc_core.rng import StepDraws

SMALL = {"latent_dim": 4, "width": 8, "refinements": 0}


def spec(num_classes: int = 2, resolution: int = 28, **config: object) -> ModelSpec:
    return ModelSpec("convolutional", SMALL | config, ImageModality(channels=1, resolution=resolution), num_classes)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_terms_are_those_of_torch_distributions() -> None:
    mean, log_variance, images = drawn(5, 3), drawn(5, 3, seed=1), drawn(5, 1, 4, 4, seed=2)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    reconstructed, log_sigma = drawn(5, 1, 4, 4, seed=3), torch.tensor(-0.7)
    likelihood = torch.distributions.Normal(reconstructed, log_sigma.exp()).log_prob(images).flatten(1).sum(1)
    torch.testing.assert_close(gaussian_error(images, reconstructed, log_sigma), -likelihood)


@pytest.mark.parametrize("sigma", [0.003, 0.05, 2.0])
@pytest.mark.parametrize("mean", [-1.3, -0.2, 0.999])
def test_the_256_values_have_all_the_probability(sigma: float, mean: float) -> None:
    values = (torch.arange(256) / 127.5 - 1).view(256, 1, 1, 1)
    log_sigma = torch.tensor(sigma).log()
    masses = discretised_log_likelihood(values, torch.full_like(values, mean), log_sigma)
    assert masses.isfinite().all() and masses.exp().sum().item() == pytest.approx(1, abs=1e-6)
    # By hand, between the outermost values.
    normal = torch.distributions.Normal(torch.tensor(mean, dtype=torch.float64), sigma)
    edges = [values[100].double().squeeze() + sign / 255 for sign in (1, -1)]
    by_hand = normal.cdf(edges[0]) - normal.cdf(edges[1])
    torch.testing.assert_close(masses[100].exp(), by_hand, rtol=1e-4, atol=1e-12)


def test_bits_per_dimension_bound_the_likelihood_of_one_value() -> None:
    """One value, one latent: the likelihood is an integral, the bound lies above it, and it holds for the mean."""
    torch.manual_seed(0)
    vae = build_vae(spec(num_classes=0, latent_dim=1)).eval().requires_grad_(False)
    vae.log_sigma.fill_(0.5)
    image = torch.full((1, 1, 28, 28), 0.2)
    latents = torch.linspace(-8, 8, 2001).view(-1, 1)
    means = torch.cat([vae.decoder(part, torch.zeros(len(part), 0)) for part in latents.split(200)])
    log_likelihoods = discretised_log_likelihood(image.expand_as(means), means, vae.log_sigma)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(latents[:, 0]).double()
    exact = torch.logsumexp(prior + log_likelihoods + math.log(16 / 2000), 0) / (-math.log(2) * 784)
    repeated = Condition(torch.zeros(400, 0))
    bound = vae.bits_per_dimension(image.expand(400, -1, -1, -1), repeated, drawn(400, 1))
    assert exact < bound.mean() < exact + 0.05
    # One latent's weight is the bound without the integral over the posterior; many reach the likelihood.
    weights = vae.log_importance_weights(image.expand(400, -1, -1, -1), repeated, drawn(400, 1))
    assert (-weights.mean() / (math.log(2) * 784)).item() == pytest.approx(bound.mean().item(), abs=2e-4)
    tighter = importance_weighted_bound(weights.view(400, 1)) / (-math.log(2) * 784)
    assert tighter.item() == pytest.approx(exact.item(), abs=1e-3) and tighter < bound.mean()


def overfit(images: Tensor, steps: int = 150) -> VAE:
    torch.manual_seed(0)
    method = families["vae"].build_method("elbo", {"learning_rate": 3e-3}, spec(width=16), Accelerator(cpu=True))
    batch = Batch(images, torch.eye(2)[torch.arange(len(images)) % 2])
    for step in range(steps):
        draws = StepDraws(0, step, len(images), 0, 1, torch.device("cpu"))
        method.step(batch, StepState(step, 0.0, step * len(images), draws))
    model = method.model
    assert isinstance(model, VAE)
    return model.eval()


def test_eight_images_are_learnt_by_heart() -> None:
    images = torch.nn.functional.interpolate(drawn(8, 1, 4, 4).sign() * 0.8, size=28)
    vae = overfit(images)
    condition = Condition(torch.eye(2)[torch.arange(8) % 2])
    with torch.no_grad():
        again = vae.decode(vae.encode_samples(images, condition), condition, VAEOptions())
    assert (again - images).square().mean() < 0.05 * images.square().mean()


def test_a_sample_does_not_depend_on_its_batch() -> None:
    vae = build_vae(spec()).eval()
    noise, condition = drawn(6, 4), Condition(torch.eye(2)[torch.arange(6) % 2])
    with torch.no_grad():
        together = vae.generate(noise, condition, VAEOptions())
        alone = torch.cat([vae.generate(noise[[k]], condition[slice(k, k + 1)], VAEOptions()) for k in range(6)])
        cold = vae.generate(noise, condition, VAEOptions(temperature=0))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(cold[0], cold[2])


@pytest.mark.parametrize(
    ("method_config", "sentence"),
    [
        ({"beta": -1}, "beta"),
        ({"betas": [0.9, 1.0]}, "betas"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"gamma": 1}, "gamma"),
    ],
)
def test_settings_that_make_no_sense_are_named(method_config: dict[str, float], sentence: str) -> None:
    with pytest.raises(AIGCError, match=sentence):
        families["vae"].build_method("elbo", method_config, spec(), Accelerator(cpu=True))


def test_other_networks_and_temperatures_are_refused() -> None:
    with pytest.raises(AIGCError, match="no architecture 'resnet'; there are convolutional"):
        build_vae(ModelSpec("resnet", {}, ImageModality(channels=1, resolution=28)))
    for temperature in (-1, 3, math.nan):
        with pytest.raises(ValueError, match="temperature"):
            VAEOptions(temperature=temperature)
