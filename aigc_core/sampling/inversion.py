"""From an image or a sound back to the latent that best reproduces it.

It is found by gradient descent on the codes (Lipton & Tripathi 2017) with the losses of an image pyramid, of sounds on
their spectrograms; in models with styles, on one style for all layers (Karras et al. 2020, appendix D). As the loss has
local minima, the search starts from the codes that the model's encoder finds or, without an encoder, from the best of
many random codes. Codes of an exact encoder are improved in a few small steps.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.data.image_files import image_size, read_image
from aigc_core.errors import AIGCError
from aigc_core.families.base import Condition, EncodingModel, LatentModel, StyleModel, latent_model
from aigc_core.modalities.base import Modality
from aigc_core.modalities.image import ImageModality
from aigc_core.modalities.png import to_picture

from .labels import parse_labels
from .noise import draw_noise
from .sample import BATCH_SIZE

CANDIDATES = 512
STARTS = 8
STEPS = 400
LEARNING_RATE = 0.1
EXACT_STEPS = 20
EXACT_LEARNING_RATE = 0.03
PYRAMID_LEVELS = 3
SMALLEST_SIDE = 8


@dataclass(frozen=True)
class Inversion:
    """The state after `step` steps, all on the CPU.

    `loss`: of the best of the starts. `reproduction`: the stored sample […] that it makes. `codes`: float32
    [1, latent_dim], or [1, num_layers, style_dim] in models with styles, and `labels`: class weights float32
    [1, num_classes], make the same with `sample.render`.
    """

    step: int
    loss: float
    reproduction: Tensor
    codes: Tensor
    labels: Tensor


def target_image(upload: Path | BinaryIO | Image.Image | Tensor, kind: ImageModality) -> Tensor:
    """An upload (file, PIL image or uint8 [C, H, W]) as uint8 [channels, resolution, resolution], its centre square.

    Raises AIGCError if it cannot be read, is smaller than 8 pixels or larger than 50 megapixels.
    """
    if isinstance(upload, Tensor):
        upload = to_picture(upload)
    if isinstance(upload, Image.Image):
        buffer = io.BytesIO()
        upload.save(buffer, "PNG", compress_level=0)
        upload = buffer
    width, height = image_size(upload)
    if min(width, height) < SMALLEST_SIDE:
        raise AIGCError("The image has only {width} × {height} pixels; use a larger one.", width=width, height=height)
    return torch.from_numpy(read_image(upload, kind.resolution, kind.channels))


def target_sample(upload: Path | BinaryIO | Image.Image | Tensor, kind: Modality) -> Tensor:
    """An upload as a stored sample [1, …]: anything that `target_image` takes for images, and for other kinds a file
    or a stored sample […].

    Raises AIGCError as `target_image` and `Modality.read_stored` do.
    """
    if isinstance(kind, ImageModality):
        return target_image(upload, kind)[None]
    if isinstance(upload, Path):
        return kind.read_stored(upload)
    if not isinstance(upload, Tensor):
        raise TypeError(f"{kind.plural} are given as files or stored samples")
    return upload[None]


def invert(
    checkpoint: StoredCheckpoint,
    upload: Path | BinaryIO | Image.Image | Tensor,
    label: str = "",
    steps: int | None = None,
    seed: int = 0,
    every: int = 1,
) -> Iterator[Inversion]:
    """Yield the best reproduction of an upload at the start and after `every` so many steps; the last is the result.

    With `label` the class, or mix of classes, is held fixed; else class weights are found as well. `steps`: by default
    EXACT_STEPS for models whose encoder is exact, else STEPS. `seed`: the first of the random starts; a model with an
    encoder does not use it. Raises AIGCError for a model without latents, and as `target_sample` and `parse_labels` do.
    """
    model, kind, config = latent_model(checkpoint.model), checkpoint.modality, checkpoint.config
    target = kind.to_model(target_sample(upload, kind).to(model.device))
    fixed = parse_labels(label, config.class_names, config.num_classes)[:1].to(model.device) if label else None
    exact = isinstance(model, EncodingModel) and model.encoding_is_exact
    starts = _best_candidates(model, target, fixed, config.num_classes, seed, 1 if exact else STARTS)
    steps = steps if steps is not None else EXACT_STEPS if exact else STEPS
    rate = EXACT_LEARNING_RATE if exact else LEARNING_RATE
    return _descend(model, kind, target, starts, fixed, steps, rate, every)


def pyramid_loss(images: Tensor, target: Tensor) -> Tensor:
    """Float [N]: the mean squared error between maps [N, C, H, W] and target [1, C, H, W] in model space, summed over
    PYRAMID_LEVELS resolutions, each half the one before."""
    total = torch.zeros(len(images), device=images.device)
    for level in range(PYRAMID_LEVELS):
        coarse, coarse_target = (functional.avg_pool2d(maps, 2**level) for maps in (images, target))
        total = total + (coarse - coarse_target).square().mean(dim=(1, 2, 3))
    return total


@torch.no_grad()
def _best_candidates(
    model: LatentModel, target: Tensor, fixed: Tensor | None, num_classes: int, seed: int, number: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes and labels of the (at most so many) candidates nearest to the target, and the codes' standard
    deviations."""
    if isinstance(model, EncodingModel):
        codes, labels = _encoded_candidates(model, target, fixed, num_classes)
    else:
        codes, labels = _random_candidates(model, target, fixed, num_classes, seed)
    options = model.options_type()
    losses = torch.cat(
        [
            pyramid_loss(model.decode(c, Condition(y), options).float(), target)
            for c, y in zip(codes.split(BATCH_SIZE), labels.split(BATCH_SIZE))
        ]
    )
    best = losses.topk(min(number, len(losses)), largest=False).indices
    deviations = codes.std(0) if isinstance(model, StyleModel) else torch.ones_like(codes[0])
    return codes[best], labels[best], deviations


def _encoded_candidates(
    model: EncodingModel, target: Tensor, fixed: Tensor | None, num_classes: int
) -> tuple[Tensor, Tensor]:
    """The encoder's codes of the target: in the class held fixed, else in each class."""
    # Without classes the one candidate has no weights: [1, 0].
    every_class = torch.eye(num_classes, device=target.device) if num_classes else target.new_zeros(1, 0)
    labels = every_class if fixed is None else fixed
    batches = labels.split(BATCH_SIZE)
    codes = torch.cat([model.encode_samples(target.expand(len(y), -1, -1, -1), Condition(y)) for y in batches])
    return codes, labels


def _random_candidates(
    model: LatentModel, target: Tensor, fixed: Tensor | None, num_classes: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Codes and labels of the seeds from `seed` on."""
    noise, labels = draw_noise(range(seed, seed + CANDIDATES), model.noise_shape, num_classes)
    noise, labels = noise.to(target.device), labels.to(target.device)
    if fixed is not None:
        labels = fixed.expand(CANDIDATES, -1)
    options, batches = model.options_type(), zip(noise.split(BATCH_SIZE), labels.split(BATCH_SIZE))
    return torch.cat([model.encode(z, Condition(y), options) for z, y in batches]), labels


def _descend(
    model: LatentModel,
    kind: Modality,
    target: Tensor,
    starts: tuple[Tensor, Tensor, Tensor],
    fixed: Tensor | None,
    steps: int,
    learning_rate: float,
    every: int,
) -> Iterator[Inversion]:
    codes, labels, deviations = starts
    has_styles = isinstance(model, StyleModel)
    # How far each start has moved, in standard deviations; in models with styles, one row for all layers.
    moved = torch.zeros_like(codes[:, :1] if has_styles else codes)
    # Styles carry the class already; else its weights are a softmax that starts near the candidate's class.
    free = fixed is None and labels.shape[1] > 0 and not has_styles
    logits = 4 * labels
    parameters = [moved, logits] if free else [moved]
    optimizer, options = torch.optim.Adam(parameters, lr=learning_rate), model.options_type()
    for step in range(steps + 1):
        with torch.enable_grad():
            for parameter in parameters:
                parameter.requires_grad_()
            current = codes + deviations * moved
            mixed = logits.softmax(1) if free else labels
            images = model.decode(current, Condition(mixed), options).float()
            losses = pyramid_loss(images, target)
            gradients = torch.autograd.grad(losses.sum(), parameters)
        if step % every == 0:
            best = losses.argmin().view(1)
            yield Inversion(
                step,
                losses[best].item(),
                kind.to_stored(images[best].detach())[0].cpu(),
                current[best].detach().cpu(),
                mixed[best].detach().cpu(),
            )
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        optimizer.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
        optimizer.step()
