"""From a request to samples.

If a model has latents, noise is encoded into codes, which edits may change, and codes are decoded into samples. Other
models generate samples from noise in one call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from aigc_core.batching import batch_size
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import (
    Condition,
    LatentModel,
    Model,
    SamplerOptions,
    StreamingModel,
    StyleModel,
    latent_model,
)
from aigc_core.modalities.provenance import Statement

from .directions import load_directions
from .edits import LatentEdits
from .labels import parse_labels
from .noise import draw_noise
from .request import SampleRequest

BATCH_SIZE = 64


@dataclass(frozen=True)
class Samples:
    """The N samples of a request.

    `stored`: as their modality stores them, [N, …]; images are uint8 [N, C, H, W]. `condition`: what each was asked to
    be. `seeds`: one per sample. `request` and `checkpoint` are what made them.
    """

    stored: Tensor
    condition: Condition
    seeds: list[int]
    request: SampleRequest
    checkpoint: StoredCheckpoint

    def save(self, out: str | Path) -> None:
        """Write files that carry their provenance.

        If `out` has a suffix of the modality's files, all samples go into that one file; else `out` is a folder, which
        gets a file per sample. Raises AIGCError if the disk is full or not writable.
        """
        path, weights, modality = Path(out), self.checkpoint.weights_sha256, self.checkpoint.modality
        if path.suffix.lower() in modality.suffixes:
            modality.write(path, self.stored, Statement(self.request.canonical(), weights))
            return
        for row, single in enumerate(self.request.singles()):
            file = path / f"seed-{single.seed}{modality.file_suffix}"
            modality.write(file, self.stored[row : row + 1], Statement(single.canonical(), weights))

    @property
    def images(self) -> Tensor:
        """`stored` of a model of images: uint8 [N, C, H, W]."""
        return self.stored

    @property
    def labels(self) -> Tensor:
        """The class weights that the samples were drawn for, float32 [N, num_classes]."""
        return self.condition.classes


def sample(checkpoint: StoredCheckpoint, request: SampleRequest) -> Samples:
    """Draw the samples of a request; they lie on the CPU.

    Raises AIGCError for classes, options or edits that the model does not have; warns of what could not be done as
    asked.
    """
    request = request.normalised(checkpoint.model)
    if isinstance(checkpoint.model, LatentModel):
        codes, condition = request_codes(checkpoint, request)
        stored = render(checkpoint, codes, condition, request.options_of(checkpoint.model))
    else:
        noise, condition = request_noise(checkpoint, request)
        stored = generate(checkpoint, noise, condition, request.options_of(checkpoint.model))
    if fault := warning_of(checkpoint, request, stored):
        warnings.warn(fault, stacklevel=2)
    return Samples(stored, condition, request.seeds(), request, checkpoint)


def warning_of(checkpoint: StoredCheckpoint, request: SampleRequest, stored: Tensor) -> Sentence | None:
    """A sentence if the stored samples [N, …] of a request are not what its options asked for, else None."""
    model = checkpoint.model
    if not isinstance(model, StreamingModel):
        return None
    return model.warning(checkpoint.modality.to_model(stored), request.options_of(model))


def sample_all(checkpoint: StoredCheckpoint, requests: Sequence[SampleRequest]) -> Tensor:
    """The stored samples [N, …] of several requests to one checkpoint, in order.

    Raises AIGCError as `sample` does. A model with latents decodes neighbours with the same options together.
    """
    if not isinstance(checkpoint.model, LatentModel):
        return torch.cat([sample(checkpoint, request).stored for request in requests])
    stored = []
    for options, group in groupby(requests, lambda request: request.options_of(checkpoint.model)):
        codes, conditions = zip(*(request_codes(checkpoint, request) for request in group))
        condition = Condition(torch.cat([each.classes for each in conditions]))
        stored.append(render(checkpoint, torch.cat(codes), condition, options))
    return torch.cat(stored)


def seed_noise(checkpoint: StoredCheckpoint, seeds: Sequence[int]) -> tuple[Tensor, Condition]:
    """The noise float32 [N, *noise_shape] of N seeds and the classes that they draw; both on the CPU."""
    config = checkpoint.config
    noise, classes = draw_noise(seeds, checkpoint.model.noise_shape, config.num_classes, config.class_shares)
    return noise, Condition(classes)


def request_noise(checkpoint: StoredCheckpoint, request: SampleRequest) -> tuple[Tensor, Condition]:
    """The noise float32 [N, *noise_shape] of a request's seeds and the condition that it asks for; both on the CPU.

    Raises AIGCError for classes that the model does not have, and for a prompt if it takes none.
    """
    noise, condition = seed_noise(checkpoint, request.seeds())
    if request.labels:
        config = checkpoint.config
        entries = parse_labels(request.labels, config.class_names, config.num_classes)
        condition = Condition(entries[torch.arange(request.count) % len(entries)])
    if prompt := request.prompt_of(checkpoint.model):
        condition = replace(condition, prompt=checkpoint.modality.encode_prompt(prompt))
    return noise, condition


@torch.no_grad()
def generate(checkpoint: StoredCheckpoint, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
    """Stored samples [N, …] on the CPU from noise [N, *noise_shape], in batches on the model's device."""

    def draw(rows: slice) -> Tensor:
        return generate_batch(checkpoint, noise[rows], condition[rows], options).cpu()

    return _in_batches(checkpoint.model, draw, len(noise))


def generate_batch(
    checkpoint: StoredCheckpoint, noise: Tensor, condition: Condition, options: SamplerOptions
) -> Tensor:
    """Stored samples [N, …] from noise [N, *noise_shape], all at once and left on the model's device."""
    model = checkpoint.model
    generated = model.generate(noise.to(model.device), condition.to(model.device), options)
    return checkpoint.modality.to_stored(generated)


@torch.no_grad()
def request_codes(checkpoint: StoredCheckpoint, request: SampleRequest) -> tuple[Tensor, Condition]:
    """The codes of a request, with its options and edits applied, and its condition.

    Codes lie on the model's device, the condition on the CPU. Raises AIGCError for classes, options, directions or
    layers that the model does not have.
    """
    model = latent_model(checkpoint.model)
    options, edits = request.options_of(model), request.edits_of(model)
    noise, condition = request_noise(checkpoint, request)
    codes = _edited_codes(checkpoint, model, noise, condition, options, edits)
    if edits.mix_seed is not None:
        if not isinstance(model, StyleModel):
            raise AIGCError("This model has no styles to mix; style mixing needs a model such as 'stylegan2'.")
        if edits.mix_layer >= model.num_layers:
            raise AIGCError(
                "There is no layer {mix_layer} to mix from; layers are 0 to {last}.",
                mix_layer=edits.mix_layer,
                last=model.num_layers - 1,
            )
        other = request.model_copy(update={"seed": edits.mix_seed, "count": 1})
        noise, drawn = request_noise(checkpoint, other)
        mixed = condition if request.labels else Condition(drawn.classes.expand(request.count, -1))
        others = _edited_codes(checkpoint, model, noise.expand(request.count, -1), mixed, options, edits)
        codes[:, edits.mix_layer :] = others[:, edits.mix_layer :]
    return codes, condition


def _edited_codes(
    checkpoint: StoredCheckpoint,
    model: LatentModel,
    noise: Tensor,
    condition: Condition,
    options: SamplerOptions,
    edits: LatentEdits,
) -> Tensor:
    """Codes with the offsets of edits added: coordinates before the mapping to styles, directions after it."""
    offset = edits.noise_offset(noise.shape[1]) if edits.offsets else torch.zeros(())
    before, after = (offset, torch.zeros(())) if isinstance(model, StyleModel) else (torch.zeros(()), offset)
    codes = torch.cat(
        [
            model.encode((noise[rows] + before).to(model.device), condition[rows].to(model.device), options)
            for rows in (slice(start, start + BATCH_SIZE) for start in range(0, len(noise), BATCH_SIZE))
        ]
    )
    for name, value in (edits.along_directions(noise.shape[1]) if edits.offsets else {}).items():
        after = after + value * load_directions(checkpoint).step(name)
    return codes + after.to(model.device)


@torch.no_grad()
def render(
    checkpoint: StoredCheckpoint, codes: Tensor, condition: Condition, options: SamplerOptions | None = None
) -> Tensor:
    """Stored samples [N, …] on the CPU, decoded from N codes in batches on the model's device.

    `options`: the model's sampling options; None for its defaults.
    """
    model = latent_model(checkpoint.model)
    chosen = model.options_type() if options is None else options

    def draw(rows: slice) -> Tensor:
        generated = model.decode(codes[rows].to(model.device), condition[rows].to(model.device), chosen)
        return checkpoint.modality.to_stored(generated).cpu()

    return _in_batches(model, draw, len(codes))


def _in_batches(model: Model, draw: Callable[[slice], Tensor], count: int) -> Tensor:
    """The samples [count, …] that `draw` makes from slices of the rows, as many at a time as memory allows."""
    size = model.rows or batch_size(model, lambda number: draw(slice(number)), min(BATCH_SIZE, count))
    return torch.cat([draw(slice(start, start + size)) for start in range(0, count, size)])
