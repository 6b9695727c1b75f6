"""From a request to samples.

Where a model has latents, its samples are decoded from codes, which edits may change; else they are generated from
their noise in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from aigc_core.batching import batch_size
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError
from aigc_core.families.base import Condition, LatentModel, Model, SamplerOptions, StyleModel, latent_model
from aigc_core.modalities.provenance import Statement

from .directions import load_directions
from .edits import LatentEdits
from .labels import parse_labels
from .noise import draw_noise
from .request import SampleRequest

BATCH_SIZE = 64


@dataclass(frozen=True)
class Samples:
    """What a request makes.

    `stored`: uint8 [N, C, R, R] of images; `condition`: what each was asked to be; `seeds`: one a sample; and what made
    them.
    """

    stored: Tensor
    condition: Condition
    seeds: list[int]
    request: SampleRequest
    checkpoint: StoredCheckpoint

    def save(self, out: str | Path) -> None:
        """Write files with their provenance: all in one where `out` is a file, else one a sample into a folder.

        Raises AIGCError when the disk is full or not writable.
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
        """The stored samples of a model of images, uint8 [N, C, R, R]."""
        return self.stored

    @property
    def labels(self) -> Tensor:
        """The class weights that were asked for, float32 [N, num_classes]."""
        return self.condition.classes


def sample(checkpoint: StoredCheckpoint, request: SampleRequest) -> Samples:
    """The samples of a request, on the CPU.

    Raises AIGCError for classes, options or edits that the model does not have.
    """
    request = request.normalised(checkpoint.model)
    if isinstance(checkpoint.model, LatentModel):
        codes, condition = request_codes(checkpoint, request)
        stored = render(checkpoint, codes, condition, request.options_of(checkpoint.model))
    else:
        noise, condition = request_noise(checkpoint, request)
        stored = generate(checkpoint, noise, condition, request.options_of(checkpoint.model))
    return Samples(stored, condition, request.seeds(), request, checkpoint)


def sample_all(checkpoint: StoredCheckpoint, requests: Sequence[SampleRequest]) -> Tensor:
    """The stored samples [N, …] of several requests to one checkpoint, decoded together where it has latents and
    neighbours have the same options."""
    if not isinstance(checkpoint.model, LatentModel):
        return torch.cat([sample(checkpoint, request).stored for request in requests])
    stored = []
    for options, group in groupby(requests, lambda request: request.options_of(checkpoint.model)):
        codes, conditions = zip(*(request_codes(checkpoint, request) for request in group))
        condition = Condition(torch.cat([each.classes for each in conditions]))
        stored.append(render(checkpoint, torch.cat(codes), condition, options))
    return torch.cat(stored)


def request_noise(checkpoint: StoredCheckpoint, request: SampleRequest) -> tuple[Tensor, Condition]:
    """The noise float32 [N, *noise_shape] of a request's seeds, and what its samples are to be; both on the CPU.

    Raises AIGCError for classes that the model does not have, and for a prompt if it takes none.
    """
    config = checkpoint.config
    noise, classes = draw_noise(request.seeds(), checkpoint.model.noise_shape, config.num_classes, config.class_shares)
    if request.labels:
        entries = parse_labels(request.labels, config.class_names, config.num_classes)
        classes = entries[torch.arange(request.count) % len(entries)]
    prompt = request.prompt_of(checkpoint.model)
    return noise, Condition(classes, checkpoint.modality.encode_prompt(prompt) if prompt else None)


@torch.no_grad()
def generate(checkpoint: StoredCheckpoint, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
    """Stored samples [N, …] on the CPU from noise [N, *noise_shape], in batches on the model's device."""
    model = checkpoint.model

    def draw(rows: slice) -> Tensor:
        generated = model.generate(noise[rows].to(model.device), condition[rows].to(model.device), options)
        return checkpoint.modality.to_stored(generated).cpu()

    return _in_batches(model, draw, len(noise))


@torch.no_grad()
def request_codes(checkpoint: StoredCheckpoint, request: SampleRequest) -> tuple[Tensor, Condition]:
    """The codes of a request, with its options and edits, and what its samples are to be.

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
    """Codes with the offsets of edits: of coordinates before a mapping to styles, and of directions after it."""
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
    """Stored samples [N, …] on the CPU of codes, decoded in batches on the model's device.

    `options`: how they are decoded; None for the model's defaults.
    """
    model = latent_model(checkpoint.model)
    chosen = model.options_type() if options is None else options

    def draw(rows: slice) -> Tensor:
        generated = model.decode(codes[rows].to(model.device), condition[rows].to(model.device), chosen)
        return checkpoint.modality.to_stored(generated).cpu()

    return _in_batches(model, draw, len(codes))


def _in_batches(model: Model, draw: Callable[[slice], Tensor], count: int) -> Tensor:
    """What `draw` makes of rows, as many at a time as memory allows."""
    size = batch_size(model, lambda number: draw(slice(number)), min(BATCH_SIZE, count))
    return torch.cat([draw(slice(start, start + size)) for start in range(0, count, size)])
