"""What all generators of GANs share: they are models with a latent space, Z or W, and may be truncated."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from aigc_core.errors import Sentence
from aigc_core.families.base import Condition, LatentModel, SamplerOptions, StyleModel


class GANOptions(SamplerOptions):
    """`truncation`: 1 keeps the full variety, smaller values pull towards the average image."""

    truncation: float = Field(
        default=1.0,
        ge=0,
        le=1,
        title=Sentence("Truncation"),
        description=Sentence("in Z · 1: full variety · less: nearer the average"),
    )


class StyleGANOptions(GANOptions):
    """Truncation of the styles."""

    truncation: float = Field(
        default=1.0,
        ge=0,
        le=1,
        title=Sentence("Truncation"),
        description=Sentence("in W · 1: full variety · less: nearer the average"),
    )


def truncation_of(options: SamplerOptions) -> float:
    """The truncation that options ask for; other families' options ask for none."""
    return options.truncation if isinstance(options, GANOptions) else 1.0


class Generator(LatentModel):
    """`forward(latents, labels)`: standard-normal latents float32 [N, latent_dim] and labels float32 [N, num_classes],
    rows of class weights that sum to one ([N, 0] without classes) → images [N, C, H, W] in about [-1, 1].

    The codes are the latents; truncation scales them, which lowers their temperature (Kingma & Dhariwal 2018,
    section 6).
    """

    options_type = GANOptions
    latent_dim: int

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return truncation_of(options) * noise

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self(codes, condition.classes)


class StyleGenerator(Generator, StyleModel):
    """A generator with an intermediate latent space W: `mapping(latents, labels)` → styles [N, num_layers, style_dim],
    `synthesis(styles)` → images.

    The codes are the styles; truncation pulls them towards their mean (Karras et al. 2019, appendix B).
    """

    options_type = StyleGANOptions

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError

    def synthesis(self, styles: Tensor) -> Tensor:
        raise NotImplementedError

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return torch.lerp(self.style_mean, self.mapping(noise, condition.classes), truncation_of(options))

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.synthesis(codes)
