"""How likely the real samples of a reference are under a model that has a likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from aigc_core.batching import batch_size
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.data.dataset import Dataset
from aigc_core.families.base import Condition, LatentVariableModel, LikelihoodModel
from aigc_core.metrics.bits_per_dimension import MAX_SAMPLES, bits_per_dimension
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.importance_weighted import LATENTS, importance_weighted_bound
from aigc_core.sampling.noise import draw_noise

LIKELIHOOD_BATCH_SIZE = 100


def likelihood_figures(
    checkpoint: StoredCheckpoint, data: Dataset, metrics: Collection[str], seed: int
) -> dict[str, Estimate]:
    """Those of the metrics that say how likely 8-bit images are, by name; none that the model has no likelihood for."""
    measured = {}
    if "bits_per_dimension" in metrics:
        measured["bits_per_dimension"] = bits_per_dimension(real_sample_bits(checkpoint, data, seed)[0])
    if "importance_weighted_bits" in metrics:
        measured["importance_weighted_bits"] = bits_per_dimension(importance_weighted_bits(checkpoint, data, seed))
    return {name: figure for name, figure in measured.items() if figure is not None}


def real_sample_bits(checkpoint: StoredCheckpoint, data: Dataset, seed: int) -> tuple[Tensor | None, Tensor]:
    """Bits per dimension float [M] of at most MAX_SAMPLES real samples, spread over the data, and their rows int64 [M].

    The bits are None for a model without a likelihood or with other classes than the data. Estimates take their noise
    from the seeds from `seed` on.
    """
    model, rows = checkpoint.model, _rows(data)
    if not isinstance(model, LikelihoodModel) or _has_other_classes(checkpoint, data):
        return None, rows
    return _of_each(checkpoint, data, rows, model.bits_per_dimension, seed), rows


def importance_weighted_bits(checkpoint: StoredCheckpoint, data: Dataset, seed: int) -> Tensor | None:
    """The bits per dimension of the same real samples by the importance-weighted bound of LATENTS latents, float [M].

    The first latents are those of `real_sample_bits`. None for a model without latents, or with other classes than the
    data.
    """
    model, rows = checkpoint.model, _rows(data)
    if not isinstance(model, LatentVariableModel) or _has_other_classes(checkpoint, data):
        return None
    log_weights = torch.stack(
        [
            _of_each(checkpoint, data, rows, model.log_importance_weights, seed + draw * len(rows))
            for draw in range(LATENTS)
        ]
    )
    return importance_weighted_bound(log_weights) / (-math.log(2) * data.samples[0].numel())


def _rows(data: Dataset) -> Tensor:
    return torch.linspace(0, len(data) - 1, min(MAX_SAMPLES, len(data))).round().long()


def _has_other_classes(checkpoint: StoredCheckpoint, data: Dataset) -> bool:
    return bool(checkpoint.config.num_classes) and checkpoint.config.class_names != data.class_names


@torch.inference_mode()
def _of_each(
    checkpoint: StoredCheckpoint,
    data: Dataset,
    rows: Tensor,
    compute: Callable[[Tensor, Condition, Tensor], Tensor],
    seed: int,
) -> Tensor:
    """What `compute` makes of each of the data's rows, its classes and the noise of the seeds from `seed` on."""
    model, num_classes = checkpoint.model, checkpoint.config.num_classes

    def of(part: slice) -> Tensor:
        stored, labels = data.batch(rows[part])
        classes = one_hot(labels, num_classes).float() if num_classes else torch.zeros(len(stored), 0)
        noise, _ = draw_noise(range(seed, seed + len(rows))[part], model.noise_shape, 0)
        samples = checkpoint.modality.to_model(stored.to(model.device))
        return compute(samples, Condition(classes).to(model.device), noise.to(model.device)).cpu()

    size = batch_size(model, lambda number: of(slice(number)), min(LIKELIHOOD_BATCH_SIZE, len(rows)), "likelihood")
    return torch.cat([of(slice(start, start + size)) for start in range(0, len(rows), size)])
