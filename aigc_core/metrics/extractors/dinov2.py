"""DINOv2 ViT-B/14 (Oquab et al. 2023): the network, so that no code is fetched with the weights.

Preprocessing is torch-fidelity's. Weights are downloaded on first use, unless a file of them is given.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.errors import AIGCError

from . import Extractor, extractors, hash_of_weights
from .fidelity import downloaded

NAME = "dinov2-vit-b-14"
URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth"
WIDTH, DEPTH, HEADS, PATCH = 768, 12, 12, 14
RESOLUTION = 224
TRAINED_PATCHES = 37
"""Patches on a side in training, for which there are positions."""


class LayerScale(nn.Module):
    """A learned factor a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(WIDTH))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        count, length, _ = tokens.shape
        query, key, value = self.qkv(tokens).view(count, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(count, length, WIDTH))


class Perceptron(nn.Module):
    """Two layers with a GELU between."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """A pre-norm transformer block with scaled residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn, self.mlp = Attention(), Perceptron()
        self.ls1, self.ls2 = LayerScale(), LayerScale()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class DINOv2(nn.Module):
    """Images uint8 [N, 3, H, W] → the class token's features float32 [N, 768] and logits [N, 0]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, PATCH, PATCH)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.mask_token = nn.Parameter(torch.zeros(1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, TRAINED_PATCHES**2 + 1, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.register_buffer("mean", 255 * torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", 255 * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        resized = interpolate_bilinear_2d_like_tensorflow1x(
            images.float(), (RESOLUTION, RESOLUTION), align_corners=False
        )
        patches = self.patch_embed["proj"]((resized - self.mean) / self.deviation).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self._positions()
        features = self.norm(self.blocks(tokens))[:, 0]
        return features, features.new_zeros(len(features), 0)

    def _positions(self) -> Tensor:
        """The positions [1, 1 + 16², 768], resized as in training: the 0.1 is DINO's own, kept for equal features."""
        grid = self.pos_embed[:, 1:].view(1, TRAINED_PATCHES, TRAINED_PATCHES, WIDTH).permute(0, 3, 1, 2)
        scale = (RESOLUTION // PATCH + 0.1) / TRAINED_PATCHES
        resized = functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def _load(weights: Path | None) -> Extractor:
    path = weights or downloaded(NAME, URL)
    network = DINOv2().eval().requires_grad_(False)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, TypeError, AttributeError, pickle.UnpicklingError):
        raise AIGCError(
            "'{path}' does not hold weights of '{name}'; fetch {url}.",
            path=path,
            name=NAME,
            url=URL,
        ) from None
    return Extractor(NAME, hash_of_weights(path), network, channels=3)


extractors.register(NAME, _load)
