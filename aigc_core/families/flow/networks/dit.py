"""A diffusion Transformer (DiT; Peebles & Xie 2023), whose blocks begin as the identity (adaLN-Zero)."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.flow.embedding import ConditionEmbedding

from . import Architecture, FieldConfig, FieldShape, VectorField, architectures


class DiTConfig(FieldConfig):
    """`depth` blocks of `heads` attention heads over patches of `patch` pixels a side, embedded in `width` dimensions.

    The paper's DiT-S has depth 12, width 384, 6 heads.
    """

    depth: int = Field(default=4, ge=1, le=64)
    width: int = Field(default=128, ge=2, le=4096)
    heads: int = Field(default=4, ge=1, le=64)
    patch: int = Field(default=4, ge=1, le=64)
    expansion: int = Field(default=4, ge=1, le=16)

    @model_validator(mode="after")
    def _even_heads(self) -> DiTConfig:
        if self.width % self.heads:
            raise ValueError(Sentence("width must be a multiple of the number of heads"))
        return self


class DiT(VectorField):
    """A vector field that is computed patch by patch, each attending to all."""

    def __init__(self, config: DiTConfig, shape: FieldShape) -> None:
        super().__init__()
        if shape.resolution % config.patch:
            raise AIGCError(
                "Patches of {patch} pixels do not fill images of {resolution}; choose another patch.",
                patch=config.patch,
                resolution=shape.resolution,
            )
        self.patch, self.side, self.channels = config.patch, shape.resolution // config.patch, shape.channels
        self.patches = nn.Conv2d(shape.channels, config.width, config.patch, config.patch)
        self.positions = nn.Parameter(torch.empty(self.side**2, config.width))
        self.condition = ConditionEmbedding(shape.num_times, shape.num_classes, config.width)
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.modulation = nn.Linear(config.width, 2 * config.width)
        self.to_patches = nn.Linear(config.width, config.patch**2 * shape.channels)
        nn.init.normal_(self.positions, std=0.02)
        for layer in (self.modulation, self.to_patches):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        features = self.patches(maps).flatten(2).transpose(1, 2) + self.positions
        condition = functional.silu(self.condition(times, classes))[:, None]
        for block in self.blocks:
            features = block(features, condition)
        scale, shift = self.modulation(condition).chunk(2, dim=-1)
        patches = self.to_patches(self.norm(features) * (1 + scale) + shift)
        grid = patches.unflatten(2, (self.channels, self.patch, self.patch)).unflatten(1, (self.side, self.side))
        return grid.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)

    def input_weight(self) -> Tensor:
        return self.patches.weight

    @property
    def input_stride(self) -> int:
        return self.patch


class DiTBlock(nn.Module):
    """Attention, then a perceptron for each patch; the condition scales and shifts what each reads and gates what it
    adds."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 6 * width)
        self.to_heads = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, config.expansion * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.expansion * width, width),
        )
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features [N, P, width], condition [N, 1, width] → features [N, P, width]."""
        scale, shift, gate, scale_after, shift_after, gate_after = self.modulation(condition).chunk(6, dim=-1)
        features = features + gate * self.attend(self.norm(features) * (1 + scale) + shift)
        return features + gate_after * self.perceptron(self.norm(features) * (1 + scale_after) + shift_after)

    def attend(self, features: Tensor) -> Tensor:
        """Self-attention of patches [N, P, width]."""
        heads = self.to_heads(features).unflatten(2, (3, self.heads, -1))
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        return self.from_heads(attended.transpose(1, 2).flatten(2))


architectures.register("dit", Architecture(DiTConfig, DiT))
