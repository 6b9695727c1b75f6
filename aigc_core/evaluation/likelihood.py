"""How likely the real samples of a reference are under a model that has a likelihood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from aigc_core.batching import batch_size
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.data.dataset import Dataset
from aigc_core.families.base import Condition, LikelihoodModel
from aigc_core.metrics.bits_per_dimension import MAX_SAMPLES
from aigc_core.sampling.noise import draw_noise

LIKELIHOOD_BATCH_SIZE = 100


@torch.inference_mode()
def real_sample_bits(checkpoint: StoredCheckpoint, data: Dataset, seed: int) -> tuple[Tensor | None, Tensor]:
    """Bits per dimension float [M] of at most MAX_SAMPLES real samples, spread over the data, and their rows int64 [M].

    The bits are None for a model without a likelihood or with other classes than the data. Estimates take their noise
    from the seeds from `seed` on.
    """
    model, config = checkpoint.model, checkpoint.config
    rows = torch.linspace(0, len(data) - 1, min(MAX_SAMPLES, len(data))).round().long()
    if not isinstance(model, LikelihoodModel) or (config.num_classes and config.class_names != data.class_names):
        return None, rows

    def bits(part: slice) -> Tensor:
        stored, labels = data.batch(rows[part])
        classes = one_hot(labels, config.num_classes).float() if config.num_classes else torch.zeros(len(stored), 0)
        noise, _ = draw_noise(range(seed, seed + len(rows))[part], model.noise_shape, 0)
        samples = checkpoint.modality.to_model(stored.to(model.device))
        return model.bits_per_dimension(samples, Condition(classes).to(model.device), noise.to(model.device)).cpu()

    size = batch_size(model, lambda number: bits(slice(number)), min(LIKELIHOOD_BATCH_SIZE, len(rows)), "likelihood")
    return torch.cat([bits(slice(start, start + size)) for start in range(0, len(rows), size)]), rows
