"""Samples as they grow token by token, for models that draw them so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError
from aigc_core.families.base import MAX_STREAMED, StreamingModel

from .request import SampleRequest
from .sample import request_noise


@dataclass(frozen=True)
class Growth:
    """The first T tokens of N samples, int64 [N, T], and the probabilities float32 [N, T] that the model gives them, 1
    for the tokens of a prompt."""

    tokens: Tensor
    probabilities: Tensor


@torch.no_grad()
def stream(checkpoint: StoredCheckpoint, request: SampleRequest) -> Iterator[Growth]:
    """The samples of a request as they grow: the prompt alone, then one more token each time, on the CPU.

    The last ones are those of `sample`. Raises AIGCError for a model that does not draw token by token, for more than
    MAX_STREAMED samples, and as `sample` does.
    """
    model = checkpoint.model
    if not isinstance(model, StreamingModel):
        raise AIGCError("This model does not draw its samples token by token.")
    if request.count > MAX_STREAMED:
        raise AIGCError("At most {most} samples can be watched at a time.", most=MAX_STREAMED)
    request = request.normalised(model)
    noise, condition = request_noise(checkpoint, request)
    prompt = torch.zeros(0, dtype=torch.int64) if condition.prompt is None else condition.prompt
    tokens = prompt.repeat(request.count, 1)
    probabilities = torch.ones(tokens.shape)
    steps = model.stream(noise.to(model.device), condition.to(model.device), request.options_of(model))
    begun = list(islice(steps, 1))  # raises for options that do not fit before anything is shown
    yield Growth(tokens, probabilities)
    for step in chain(begun, steps):
        tokens = torch.cat([tokens, step.tokens[:, None]], 1)
        probabilities = torch.cat([probabilities, step.probabilities[:, None]], 1)
        yield Growth(tokens, probabilities)
