"""A decoder-only Transformer (Vaswani et al. 2017; Radford et al. 2018), as it is built today.

Normalisation comes first and is by root mean square (Zhang & Sennrich 2019), positions are rotations of queries and
keys (RoPE; Su et al. 2021), and the hidden layer's activation is the squared rectifier (So et al. 2021). It maps
embeddings to features and knows nothing of tokens.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.config import Config
from aigc_core.errors import Sentence

ROTATION_BASE = 10_000.0
EXPANSION = 4
"""Width of the hidden layer over that of the embedding."""


class TransformerConfig(Config):
    """`depth` blocks of `heads` attention heads over embeddings of `width`, which the heads share evenly."""

    depth: int = Field(default=4, ge=1, le=128)
    width: int = Field(default=192, ge=2, le=16_384)
    heads: int = Field(default=4, ge=1, le=256)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _even_heads(self) -> TransformerConfig:
        if self.width % (2 * self.heads):
            raise ValueError(Sentence("width must be a multiple of twice the number of heads"))
        return self


class Cache:
    """Keys and values float [N, heads, T, width / heads] of the positions seen so far, for each block.

    Room for `length` positions is taken at once, so that a step writes in place.
    """

    def __init__(self, transformer: Transformer, rows: int, length: int) -> None:
        config, weight = transformer.config, transformer.norm.weight
        shape = (config.depth, rows, config.heads, length, config.width // config.heads)
        self.keys, self.values = weight.new_empty(shape), weight.new_empty(shape)
        self.length = 0

    def extend(self, block: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values of new positions [N, heads, t, …]; returns those of all, [N, heads, length + t, …]."""
        stop = self.length + keys.shape[2]
        self.keys[block, :, :, self.length : stop], self.values[block, :, :, self.length : stop] = keys, values
        return self.keys[block, :, :, :stop], self.values[block, :, :, :stop]


class Transformer(nn.Module):
    """embeddings [N, T, width] → features [N, T, width], of which each depends on no later embedding."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.RMSNorm(config.width)

    def forward(self, embeddings: Tensor, cache: Cache | None = None) -> Tensor:
        """With a cache, the embeddings are those of the positions after the ones that it holds, and are added to it."""
        start = 0 if cache is None else cache.length
        turns = rotations(start, embeddings.shape[1], self.config.width // self.config.heads, embeddings.device)
        features = embeddings
        for number, block in enumerate(self.blocks):
            features = block(features, turns, number, cache)
        if cache is not None:
            cache.length += embeddings.shape[1]
        return self.norm(features)


class Block(nn.Module):
    """Attention, then a layer for each position by itself, both added to what they read."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.attention_norm, self.layer_norm = nn.RMSNorm(config.width), nn.RMSNorm(config.width)
        self.to_queries_keys_values = nn.Linear(config.width, 3 * config.width, bias=False)
        self.from_heads = nn.Linear(config.width, config.width, bias=False)
        self.expand = nn.Linear(config.width, EXPANSION * config.width, bias=False)
        self.contract = nn.Linear(EXPANSION * config.width, config.width, bias=False)
        # A residual block begins as the identity (Goyal et al. 2017, section 5.1).
        nn.init.zeros_(self.from_heads.weight)
        nn.init.zeros_(self.contract.weight)

    def forward(self, inputs: Tensor, turns: tuple[Tensor, Tensor], number: int, cache: Cache | None) -> Tensor:
        features = inputs + self._dropped(self._attend(self.attention_norm(inputs), turns, number, cache))
        hidden = functional.relu(self.expand(self.layer_norm(features))).square()
        return features + self._dropped(self.contract(hidden))

    def _attend(self, inputs: Tensor, turns: tuple[Tensor, Tensor], number: int, cache: Cache | None) -> Tensor:
        parts = self.to_queries_keys_values(inputs).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = rotate(parts[0], turns), rotate(parts[1], turns), parts[2]
        causal = queries.shape[2] > 1
        if cache is not None:
            if causal and cache.length:
                raise ValueError("a cache that holds positions takes one more at a time")
            keys, values = cache.extend(number, keys, values)
        attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=causal)
        return self.from_heads(attended.transpose(1, 2).flatten(2))

    def _dropped(self, features: Tensor) -> Tensor:
        return functional.dropout(features, self.dropout, self.training)


def rotations(start: int, count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines float32 [count, size / 2] of the angles by which positions from `start` on turn pairs of values
    (Su et al. 2021, equation 15)."""
    frequencies = ROTATION_BASE ** (-torch.arange(0, size, 2, device=device) / size)
    angles = torch.outer(torch.arange(start, start + count, device=device).float(), frequencies)
    return angles.cos(), angles.sin()


def rotate(vectors: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Vectors [N, heads, T, size], of which value k and value k + size / 2 are turned as a pair (Su et al. 2021)."""
    cosines, sines = turns
    first, second = vectors.chunk(2, 3)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], 3).to(vectors.dtype)
