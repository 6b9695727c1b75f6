"""A VQ-VAE as a model: a Transformer draws an image's codes one after another, and the decoder shows them."""

from __future__ import annotations

from torch import Tensor

from aigc_core.families.autoregressive.model import AutoregressiveModel, AutoregressiveOptions
from aigc_core.families.base import Condition, Model, ModelSpec, SamplerOptions, architecture_settings

from .networks import Autoencoder, ConvolutionalConfig

ROWS = 128
"""So many samples are drawn together: with the few codes of an image, a step is short, and more rows fill it."""


class CodeTokens:
    """Codes as an autoregressive model's tokens: its samples are the tokens themselves, all as long."""

    end: int | None = None

    def __init__(self, vocabulary: int, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length

    def to_tokens(self, samples: Tensor) -> Tensor:
        return samples

    def from_tokens(self, tokens: Tensor) -> Tensor:
        return tokens


class VQVAE(Model):
    """p(x | y) = p(codes | y) with x = decoder(codes) (van den Oord et al. 2017; Razavi et al. 2019, without levels).

    One number of the noise chooses one code.
    """

    options_type = AutoregressiveOptions
    single_graph = False

    def __init__(self, config: ConvolutionalConfig, spec: ModelSpec) -> None:
        super().__init__()
        self.autoencoder = Autoencoder(config, spec.modality)
        tokens = CodeTokens(self.autoencoder.quantiser.size, self.autoencoder.length)
        self.prior = AutoregressiveModel(config.prior, tokens, spec.num_classes, ROWS)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.autoencoder.length,)

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.autoencoder.images_of(self.prior.generate(noise, condition, options))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images [N, C, R, R] as their codes have them."""
        return self.autoencoder.images_of(self.autoencoder.codes_of(images))


def build_vqvae(spec: ModelSpec) -> VQVAE:
    """A VQ-VAE with fresh weights. Raises AIGCError for another architecture, or settings that do not fit."""
    return VQVAE(architecture_settings(spec, {"convolutional": ConvolutionalConfig}), spec)
