"""A VQ-VAE as a model: a Transformer draws an image's codes one after another, and the decoder decodes them."""

from __future__ import annotations

from torch import Tensor

from aigc_core.families.autoregressive.model import AutoregressiveModel, AutoregressiveOptions
from aigc_core.families.base import Condition, Model, ModelSpec, SamplerOptions, architecture_settings

from .networks import Autoencoder, ConvolutionalConfig

ROWS = 128
"""How many samples are drawn together; more than for texts, as the few codes of an image make a step cheap."""


class CodeTokens:
    """Codes as the tokens of an autoregressive model; all samples have the same length."""

    end: int | None = None

    def __init__(self, vocabulary: int, length: int) -> None:
        self.vocabulary, self.length = vocabulary, length

    def to_tokens(self, samples: Tensor) -> Tensor:
        return samples

    def from_tokens(self, tokens: Tensor) -> Tensor:
        return tokens


class VQVAE(Model):
    """p(x | y) = p(codes | y) with x = decoder(codes) (van den Oord et al. 2017; Razavi et al. 2019, without levels).

    Each number of the noise determines one code.
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

    @property
    def rows(self) -> int:
        return self.prior.rows

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.autoencoder.images_of(self.prior.generate(noise, condition, options))

    def reconstruct(self, images: Tensor) -> Tensor:
        """The reconstructions [N, C, R, R] of images [N, C, R, R] in [-1, 1]."""
        return self.autoencoder.images_of(self.autoencoder.codes_of(images))


def build_vqvae(spec: ModelSpec) -> VQVAE:
    """A VQ-VAE with fresh weights. Raises AIGCError for another architecture, or settings that do not fit."""
    return VQVAE(architecture_settings(spec, {"convolutional": ConvolutionalConfig}), spec)
