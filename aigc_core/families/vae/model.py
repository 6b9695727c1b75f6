"""A VAE as a model: its codes are latents, its samples the decoder's mean, and its likelihood the lower bound."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.errors import Sentence
from aigc_core.families.base import (
    Capability,
    Condition,
    EncodingModel,
    LatentVariableModel,
    ModelSpec,
    SamplerOptions,
    architecture_settings,
)

from .networks import ConvolutionalConfig, Decoder, Encoder
from .objective import discretised_log_likelihood, kl_divergence


class VAEOptions(SamplerOptions):
    """`temperature`: the latents' standard deviation; 1 draws from the prior, less stays nearer the average sample."""

    temperature: float = Field(
        default=1.0,
        ge=0,
        le=2,
        title=Sentence("Temperature"),
        description=Sentence("1: full variety · less: nearer the average"),
    )


class VAE(EncodingModel, LatentVariableModel):
    """p(x, z | y) = N(z; 0, 1) · N(x; decoder(z, y), σ²) with q(z | x, y) = encoder(x, y) (Kingma & Welling 2014).

    One σ serves all values, learnt with the rest (σ-VAE; Rybkin et al. 2021, section 3). A sample is the mean of
    p(x | z, y): its noise is left out, as everywhere in the field.
    """

    capabilities: ClassVar[frozenset[Capability]] = EncodingModel.capabilities | {Capability.LIKELIHOOD}
    options_type = VAEOptions

    def __init__(self, config: ConvolutionalConfig, spec: ModelSpec) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config, spec), Decoder(config, spec)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.decoder.latent_dim,)

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return noise * (options.temperature if isinstance(options, VAEOptions) else 1.0)

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.decoder(codes, condition.classes)

    def encode_samples(self, samples: Tensor, condition: Condition) -> Tensor:
        mean, _ = self.encoder(samples, condition.classes)
        return mean

    def first_layers(self) -> list[Tensor]:
        """The decoder's stem on the latent: [stem features, latent_dim]."""
        return [self.decoder.stem.weight[:, : self.decoder.latent_dim]]

    def bits_per_dimension(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        """The negative evidence lower bound of the 8-bit values, with one latent of the posterior a sample."""
        mean, log_variance = self.encoder(samples, condition.classes)
        reconstructed = self.decoder(mean + (0.5 * log_variance).exp() * noise, condition.classes)
        log_likelihood = discretised_log_likelihood(samples, reconstructed, self.log_sigma)
        nats = kl_divergence(mean, log_variance).cpu() - log_likelihood
        return nats / (math.log(2) * samples[0].numel())

    def log_importance_weights(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        mean, log_variance = self.encoder(samples, condition.classes)
        latents = mean + (0.5 * log_variance).exp() * noise
        log_likelihood = discretised_log_likelihood(samples, self.decoder(latents, condition.classes), self.log_sigma)
        log_ratio = 0.5 * (noise.square() - latents.square() + log_variance).sum(1)  # of prior and posterior
        return log_likelihood + log_ratio.cpu()


def build_vae(spec: ModelSpec) -> VAE:
    """A VAE with fresh weights. Raises AIGCError for another architecture, or settings that do not fit."""
    return VAE(architecture_settings(spec, {"convolutional": ConvolutionalConfig}), spec)
