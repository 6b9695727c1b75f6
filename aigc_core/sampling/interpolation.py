"""Interpolation in latent space: the frames that lead from one sample to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Condition, SamplerOptions, latent_model

from .request import SampleRequest
from .sample import BATCH_SIZE, render, request_codes

Curve = Literal["spherical", "linear"]
CURVES: tuple[Curve, ...] = get_args(Curve)
MAX_FRAMES = 10_000
TOO_FEW = Sentence("An interpolation needs at least two samples to lead through.")


def interpolate(
    checkpoint: StoredCheckpoint,
    requests: Sequence[SampleRequest],
    frames: int = 20,
    curve: Curve = "spherical",
    loop: bool = True,
) -> Iterator[Tensor]:
    """N frames, each a stored sample […] (an image is uint8 [C, H, W]), that lead through the samples of `requests`.

    There are `frames` from one sample up to the next; with `loop` the path returns to the first (N = requests ·
    frames), else it ends at the last (N = (requests − 1) · frames + 1). Codes, with truncation and offsets applied,
    follow `curve` around `Model.code_centre`; class weights are mixed linearly. All frames are decoded with the options
    of the first request. Raises AIGCError for fewer than two requests or too many frames, and for a model without
    latents.
    """
    stops = [request_codes(checkpoint, request.model_copy(update={"count": 1})) for request in requests]
    if not stops:
        raise AIGCError(TOO_FEW)
    condition = Condition(torch.cat([stop.classes for _, stop in stops]))
    codes, options = torch.cat([codes for codes, _ in stops]), requests[0].options_of(checkpoint.model)
    return interpolate_codes(checkpoint, codes, condition, frames, curve, loop, options)


def interpolate_codes(
    checkpoint: StoredCheckpoint,
    codes: Tensor,
    condition: Condition,
    frames: int = 20,
    curve: Curve = "spherical",
    loop: bool = True,
    options: SamplerOptions | None = None,
) -> Iterator[Tensor]:
    """As `interpolate`, through codes float [N, …] with their condition and options, as `render` takes them."""
    stops = len(codes)
    if stops < 2:
        raise AIGCError(TOO_FEW)
    if not 1 <= frames <= MAX_FRAMES // stops:
        raise AIGCError("An interpolation has at least 1 and in all at most {limit} frames.", limit=MAX_FRAMES)
    return _frames(checkpoint, codes, condition, frames, curve, loop, options)


def _frames(
    checkpoint: StoredCheckpoint,
    codes: Tensor,
    condition: Condition,
    frames: int,
    curve: Curve,
    loop: bool,
    options: SamplerOptions | None,
) -> Iterator[Tensor]:
    stops = len(codes)
    centre = latent_model(checkpoint.model).code_centre
    along = torch.lerp if curve == "linear" else slerp
    pairs = stops if loop else stops - 1
    for positions in torch.arange(pairs * frames + (not loop)).split(BATCH_SIZE):
        start = positions // frames % stops
        end = (start + 1) % stops
        share = (positions % frames / frames).to(codes.device)
        shares = share.view(-1, *[1] * (codes.ndim - 1))
        path = centre + along(codes[start] - centre, codes[end] - centre, shares)
        classes = torch.lerp(condition.classes[start], condition.classes[end], share.cpu()[:, None])
        yield from render(checkpoint, path, Condition(classes), options)


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Spherical linear interpolation along the last dimension (Slerp; Shoemake 1985, section 3.3).

    `start` and `end`: float [..., D]; `share`: in [0, 1], broadcastable. Where the two directions almost coincide, it
    is linear.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).unsqueeze(-1)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    arc = ((1 - share) * angle).sin() / sine * start + (share * angle).sin() / sine * end
    return torch.where(sine > 1e-4, arc, torch.lerp(start, end, share))
