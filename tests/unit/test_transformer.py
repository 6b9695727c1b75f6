"""The Transformer against a plain one written out here, its cache, and sampling by the inverse CDF."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from aigc_core.nn.inverse_cdf import choose, uniform_of
from aigc_core.nn.transformer import Cache, Transformer, TransformerConfig, rotate, rotations

CONFIG = TransformerConfig(depth=2, width=16, heads=2)


def transformer() -> Transformer:
    torch.manual_seed(0)
    made = Transformer(CONFIG).eval().requires_grad_(False)
    for parameter in made.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return made


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def root_mean_square_norm(vectors: Tensor) -> Tensor:
    return vectors / (vectors.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt()


def plain(made: Transformer, embeddings: Tensor) -> Tensor:
    """One sequence [T, width], one head, one position at a time, with rotations as complex numbers."""
    size = CONFIG.width // CONFIG.heads
    features = embeddings
    for block in made.blocks:
        parts = root_mean_square_norm(features) @ block.to_queries_keys_values.weight.T
        queries, keys, values = parts.unflatten(1, (3, CONFIG.heads, size)).unbind(1)

        def turned(vectors: Tensor) -> Tensor:
            pairs = torch.complex(vectors[..., : size // 2], vectors[..., size // 2 :])
            angles = [[t * 10_000 ** (-2 * k / size) for k in range(size // 2)] for t in range(len(vectors))]
            return pairs * torch.exp(1j * torch.tensor(angles))[:, None]

        rows = []
        for t in range(len(features)):
            heads = []
            for head in range(CONFIG.heads):
                products = (turned(queries)[t, head] * turned(keys)[: t + 1, head].conj()).real.sum(-1)
                weights = (products / math.sqrt(size)).softmax(0)
                heads.append(weights @ values[: t + 1, head])
            rows.append(torch.cat(heads))
        features = features + torch.stack(rows) @ block.from_heads.weight.T
        hidden = (root_mean_square_norm(features) @ block.expand.weight.T).clamp(min=0) ** 2
        features = features + hidden @ block.contract.weight.T
    return root_mean_square_norm(features)


def test_equal_to_a_transformer_written_out() -> None:
    made, embeddings = transformer(), drawn(3, 7, CONFIG.width)
    expected = torch.stack([plain(made, row) for row in embeddings])
    torch.testing.assert_close(made(embeddings), expected, atol=1e-4, rtol=1e-4)


def test_the_cache_changes_nothing() -> None:
    made, embeddings = transformer(), drawn(3, 9, CONFIG.width)
    cache = Cache(made, rows=3, length=9)
    parts = [made(embeddings[:, :4], cache)] + [made(embeddings[:, [t]], cache) for t in range(4, 9)]
    torch.testing.assert_close(torch.cat(parts, 1), made(embeddings), atol=1e-5, rtol=1e-5)


def test_products_of_rotated_vectors_depend_on_their_distance_alone() -> None:
    query, key = drawn(1, 1, 1, 8), drawn(1, 1, 1, 8, seed=1)
    products = [
        (
            rotate(query, rotations(start + 3, 1, 8, query.device)) * rotate(key, rotations(start, 1, 8, key.device))
        ).sum()
        for start in (0, 5, 50)
    ]
    torch.testing.assert_close(products[0], products[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(products[0], products[2], atol=1e-5, rtol=0)


def test_tokens_are_as_frequent_as_their_probabilities() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0, -3.0])
    uniform = uniform_of(drawn(20_000))
    for temperature in (0.5, 1.0, 2.0):
        counts = choose(logits.expand(20_000, -1), uniform, temperature).bincount(minlength=5)
        expected = 20_000 * (logits.double() / temperature).softmax(0)
        assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"top_k": 2}, {2, 0}),
        ({"top_p": 0.5}, {2}),  # 0.6 of the probability is token 2's
        ({"top_p": 0.7}, {2, 0}),  # then comes token 0, with 0.2
        ({"top_k": 1, "top_p": 0.9}, {2}),
        ({"temperature": 0}, {2}),
        ({}, {0, 1, 2, 3}),
    ],
)
def test_what_is_left_of_the_tokens(settings: dict[str, float], allowed: set[int]) -> None:
    logits = torch.tensor([0.2, 0.1, 0.6, 0.1]).log().expand(4001, -1)
    uniform = torch.linspace(0, 1 - 1e-12, 4001, dtype=torch.float64)
    assert set(choose(logits, uniform, **settings).tolist()) == allowed
