"""Nearest neighbours in feature space, in tiles of bounded memory, and the figures based on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from aigc_core.errors import Sentence
from aigc_core.rng import seeded_generator

from .estimate import Estimate, MetricInfo, Sizes, smallest_tried

TILE_BYTES = 10 * 2**20
"""About the size of a processor's cache: larger tiles are slower, however much memory there is."""
LEAST_ROWS = 256
"""The fewest rows with which a matrix product is fast, however small the cache."""
REPLICATES = 16
SHARE = 0.25
ENOUGH = 1500
"""The most images of the smaller side that a replicate uses."""
MIN_IMAGES = 20
EQUAL_NUMBERS = Sentence(
    "Depends on how many samples there are, so it is measured only with as many as there are real images, or more. "
    "From 0 to 1."
)


def as_many_as_real(sizes: Sizes) -> int:
    """As many samples as real images: with half as many, an eighth fewer real images are covered."""
    return max(sizes.real, smallest_tried(sizes))


METRICS = {
    # The share of samples among the real images, and of real images among the samples (Kynkäänniemi et al. 2019).
    "precision": MetricInfo(
        Sentence("Precision"),
        "higher",
        Sentence("samples and real images"),
        Sentence("Unbiased for any number of samples. From 0 to 1."),
        highest=1.0,
        meaning=Sentence("The share of samples that lie among the real images: how believable they are."),
    ),
    "recall": MetricInfo(
        Sentence("Recall"),
        "higher",
        Sentence("samples and real images"),
        EQUAL_NUMBERS,
        min_samples=as_many_as_real,
        highest=1.0,
        meaning=Sentence("The share of real images that lie among the samples: how much of the variety is reached."),
    ),
    # The same by real neighbourhoods alone, which outliers disturb less (Naeem et al. 2020).
    "density": MetricInfo(
        Sentence("Density"),
        "higher",
        Sentence("samples and real images"),
        Sentence(
            "Unbiased for any number of samples. From 0 up; it exceeds 1 where samples crowd into dense parts of the "
            "data."
        ),
        meaning=Sentence("How many real images lie around a sample, compared with those around a real image."),
    ),
    "coverage": MetricInfo(
        Sentence("Coverage"),
        "higher",
        Sentence("samples and real images"),
        EQUAL_NUMBERS,
        min_samples=as_many_as_real,
        highest=1.0,
        meaning=Sentence("The share of real images that have a sample near them: how much of the variety is reached."),
    ),
}


def distances(queries: Tensor, others: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Euclidean distances of queries [N, F] to others [M, F], some rows at a time: (rows, float32 [rows, M]).

    The arithmetic, down to the last bit, is that of torch.cdist for many rows. All tiles share their memory: each is
    valid only until the next one.
    """
    rows = max(1, min(len(queries), max(LEAST_ROWS, TILE_BYTES // (4 * len(others)))))
    squares = others.square().sum(1, keepdim=True)
    right = torch.cat([others, torch.ones_like(squares), squares], dim=1).T
    tile = torch.empty(rows, len(others))
    for start in range(0, len(queries), rows):
        part = queries[start : start + rows]
        square = part.square().sum(1, keepdim=True)
        left = torch.cat([-2 * part, square, torch.ones_like(square)], dim=1)
        torch.mm(left, right, out=tile[: len(part)])
        yield slice(start, start + len(part)), tile[: len(part)].clamp_min_(0).sqrt_()


def nearest(queries: Tensor, others: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances float32 and indices int64, both [N, k] and ascending, to the k nearest of others [M, F]."""
    found, indices = torch.empty(len(queries), k), torch.empty(len(queries), k, dtype=torch.int64)
    for rows, tile in distances(queries, others):
        torch.topk(tile, k, largest=False, out=(found[rows], indices[rows]))
    return found, indices


def radii(features: Tensor, ks: tuple[int, ...]) -> Tensor:
    """The distance of each of the features [N, F] to its kth nearest other, for each k: float32 [len(ks), N]."""
    k = min(max(ks), len(features) - 1)
    # The nearest one is the image itself.
    found, _ = nearest(features, features, k + 1)
    return torch.stack([found[:, min(wanted, k)] for wanted in ks])


@dataclass(frozen=True)
class Neighbourhoods:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbourhoods(
    generated: Tensor, real: Tensor, k: int, density_k: int, real_radii: Tensor | None = None
) -> Neighbourhoods:
    """The figures of generated features [N, F] against real ones [M, F].

    `real_radii`: `radii(real, (k, density_k))`, if already computed. A distance equal to the radius counts as inside in
    precision and recall and not in density and coverage, as in the code of their authors.
    """
    if real_radii is None:
        real_radii = radii(real, (k, density_k))
    (own_radii,) = radii(generated, (k,))
    precise, holders, scratch = 0, 0, torch.empty(0)
    to_own_sphere, to_generated = torch.full((2, len(real)), torch.inf)
    for rows, tile in distances(generated, real):
        # The minimum of differences is faster to compute than whether any comparison holds.
        scratch = torch.empty_like(tile) if len(scratch) < len(tile) else scratch[: len(tile)]
        precise += int((torch.sub(tile, real_radii[0], out=scratch).amin(1) <= 0).sum())
        least = torch.sub(tile, own_radii[rows, None], out=scratch).amin(0)
        torch.minimum(to_own_sphere, least, out=to_own_sphere)
        torch.minimum(to_generated, tile.amin(0), out=to_generated)
        holders += int((tile < real_radii[1]).count_nonzero())
    return Neighbourhoods(
        precise / len(generated),
        (to_own_sphere <= 0).float().mean().item(),
        holders / (density_k * len(generated)),
        (to_generated < real_radii[1]).float().mean().item(),
    )


def neighbourhood_figures(
    generated: Tensor, real: Tensor, k: int, density_k: int, real_radii: Tensor | None = None
) -> dict[str, Estimate]:
    """`neighbourhoods` with intervals.

    Neighbours are not independent, and both sides are random, so the error is estimated from random subsets of both
    sides and scaled to the whole (subsampling without replacement; Politis, Romano & Wolf 1999). All results of a
    protocol use the same subsets.
    """
    whole = vars(neighbourhoods(generated, real, k, density_k, real_radii))
    share = min(SHARE, ENOUGH / min(len(generated), len(real)))
    parts = [
        vars(neighbourhoods(_part(generated, share, number, 0), _part(real, share, number, 1), k, density_k))
        for number in range(REPLICATES)
    ]
    scale = (REPLICATES * share / (1 - share)) ** 0.5
    figures = {}
    for name, value in whole.items():
        values = numpy.array([part[name] for part in parts])
        influence_values = scale * (values - values.mean())
        if METRICS[name].highest == 1:
            count = len(generated) if name == "precision" else len(real)
            figures[name] = Estimate.of_share(value, count, influence_values)
        else:
            figures[name] = Estimate.of_groups(value, influence_values).within(0.0, math.inf)
    return figures


def _part(features: Tensor, share: float, number: int, side: int) -> Tensor:
    order = torch.randperm(len(features), generator=seeded_generator(number, side))
    return features[order[: max(2, int(share * len(features)))]]
