"""What all generators of GANs share: they are models with a latent space, Z or W, and may be truncated."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.errors import Sentence
from aigc_core.families.base import Condition, LatentModel, SamplerOptions, StyleModel

STYLE_MEAN_DECAY = 0.995


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
    """A generator with an intermediate latent space W (Karras et al. 2019): `mapping_network(latents, labels)` →
    styles [N, style_dim], `synthesis` of one style per layer → images.

    The codes are the styles; truncation pulls them towards their mean (appendix B). In training, with probability
    `style_mixing` an image's styles change to another latent's at some layer (section 3.1).
    """

    options_type = StyleGANOptions
    mapping_network: nn.Module
    style_mixing: float = 0.0

    def synthesis(self, styles: Tensor) -> Tensor:
        """styles [N, num_layers, style_dim] → images [N, C, R, R]."""
        raise NotImplementedError

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N, num_classes] → styles [N, num_layers, style_dim], all layers alike.

        In training, the means move towards them.
        """
        styles = self.mapping_network(latents, labels)
        if self.training:
            self.average(styles.detach().to(self.style_mean.dtype), labels)
        return styles[:, None].expand(-1, self.num_layers, -1)

    def average(self, styles: Tensor, labels: Tensor) -> None:
        """Move the means towards those of styles [N, style_dim] of these labels."""
        self.style_mean.lerp_(styles.mean(0), 1 - STYLE_MEAN_DECAY)

    def truncation_centre(self, labels: Tensor) -> Tensor:
        """What truncation pulls styles of these labels towards: it broadcasts to [N, num_layers, style_dim]."""
        return self.style_mean

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        styles = self.mapping(latents, labels)
        if self.training and self.style_mixing > 0:
            styles = self._mix(styles, labels)
        return self.synthesis(styles)

    def _mix(self, styles: Tensor, labels: Tensor) -> Tensor:
        """With probability `style_mixing` an image's styles from a random layer on are those of a new latent."""
        count, device = len(styles), styles.device
        latents = torch.randn(count, self.latent_dim, device=device, dtype=styles.dtype)
        others = self.mapping_network(latents, labels)[:, None]
        crossover = torch.randint(1, self.num_layers, (count, 1), device=device)
        mixes = torch.rand(count, 1, device=device) < self.style_mixing
        switched = mixes & (torch.arange(self.num_layers, device=device) >= crossover)
        return torch.where(switched[:, :, None], others, styles)

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        styles = self.mapping(noise, condition.classes)
        return torch.lerp(self.truncation_centre(condition.classes), styles, truncation_of(options))

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.synthesis(codes)
