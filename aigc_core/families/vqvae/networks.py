"""The networks of a VQ-VAE: convolutions down to a square of vectors, a quantiser of them, convolutions back up."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.config import Config
from aigc_core.errors import AIGCError
from aigc_core.families.base import square_map
from aigc_core.modalities.base import Modality
from aigc_core.nn.autoencoder import downsampling, upsampling
from aigc_core.nn.transformer import TransformerConfig

from .codebook import Codebook, CodebookConfig
from .finite_scalar import FiniteScalar, FiniteScalarConfig
from .quantiser import Quantised, Quantiser

MAX_CODES = 4096


class ConvolutionalConfig(Config):
    """`halvings`: of the image's resolution down to that of its codes. `width`: channels at half the image's
    resolution; they double with every halving, up to `max_width`. `refinements`: 3 × 3 convolutions with a skip
    connection at each resolution but the image's. `prior`: the Transformer over the codes.
    """

    halvings: int = Field(default=2, ge=1, le=6)
    width: int = Field(default=32, ge=1, le=2048)
    max_width: int = Field(default=256, ge=1, le=8192)
    refinements: int = Field(default=1, ge=0, le=8)
    quantiser: Annotated[CodebookConfig | FiniteScalarConfig, Field(discriminator="name")] = CodebookConfig()
    prior: TransformerConfig = TransformerConfig()


def build_quantiser(config: CodebookConfig | FiniteScalarConfig) -> Quantiser:
    """The quantiser that a config is of."""
    return Codebook(config) if isinstance(config, CodebookConfig) else FiniteScalar(config)


class Autoencoder(nn.Module):
    """Images [N, C, R, R] in [-1, 1] ↔ codes int64 [N, length], row by row, of which there are `quantiser.size`."""

    def __init__(self, config: ConvolutionalConfig, modality: Modality) -> None:
        super().__init__()
        channels, resolution = square_map(modality)
        self.side, rest = divmod(resolution, 2**config.halvings)
        if rest or not self.side:
            raise AIGCError(
                "A resolution of {resolution} cannot be halved {halvings} times; lower halvings.",
                resolution=resolution,
                halvings=config.halvings,
            )
        self.length = self.side**2
        if self.length > MAX_CODES:
            raise AIGCError(
                "An image of {count:,} codes is too long for the prior, which takes {most:,}; raise halvings.",
                count=self.length,
                most=MAX_CODES,
            )
        widths = [min(config.max_width, config.width * 2**level) for level in range(config.halvings)]
        self.quantiser = build_quantiser(config.quantiser)
        self.encoder = nn.Sequential(
            downsampling([channels, *widths], config.refinements),
            nn.Conv2d(widths[-1], self.quantiser.dim, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(self.quantiser.dim, widths[-1], 1),
            upsampling([*reversed(widths), channels], config.refinements),
        )

    def encode(self, images: Tensor) -> Tensor:
        """The encoder's vectors float32 [N · length, dim]."""
        return self.encoder(images).float().permute(0, 2, 3, 1).flatten(0, 2)

    def decode(self, vectors: Tensor) -> Tensor:
        """Images of vectors [N · length, dim]."""
        maps = vectors.unflatten(0, (-1, self.side, self.side)).permute(0, 3, 1, 2)
        return self.decoder(maps.contiguous(memory_format=torch.channels_last))

    def quantise(self, images: Tensor) -> tuple[Tensor, Quantised]:
        """The encoder's vectors and what the quantiser makes of them."""
        vectors = self.encode(images)
        return vectors, self.quantiser(vectors)

    def codes_of(self, images: Tensor) -> Tensor:
        """Codes int64 [N, length]."""
        return self.quantise(images)[1].codes.view(-1, self.length)

    def images_of(self, codes: Tensor) -> Tensor:
        """Images of codes int64 [N, length]."""
        return self.decode(self.quantiser.vectors_of(codes).flatten(0, 1))
