"""Everything that needs the accelerator, as functions of plain values that also run on ZeroGPU.

There the decorated function runs in a forked process, with a GPU for at most `duration` seconds: arguments and results
cross over by pickle, so that they are texts and numpy arrays, and models are loaded before the app starts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.errors import Sentence
from aigc_core.families.base import Capability, Condition, SamplerOptions, latent_model
from aigc_core.loading import load_checkpoint
from aigc_core.sampling.edits import LatentEdits
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import render, request_codes, sample_all

if TYPE_CHECKING:
    from aigc_core.sampling.directions import Directions

LOADING_SECONDS = 5
IMAGES_A_SECOND = 100
INVERSION_SECONDS = 60
DIRECTIONS_SECONDS = 20
WRITING_SECONDS = 60
FRAME_SECONDS = 0.1


@dataclass(frozen=True)
class LatentPoint:
    """Where an image lies in a checkpoint's latent space.

    codes: float32 [1, ...] and labels: float32 [1, num_classes], as `sampling.render` takes them. request: the
    canonical request that makes the image, or empty if none does (it was inverted from a picture). options: how the
    codes are decoded; None for the model's defaults.
    """

    checkpoint: str
    codes: np.ndarray
    labels: np.ndarray
    request: str = ""
    options: SamplerOptions | None = None


def on_gpu(duration: Callable[..., int]) -> Callable[[Any], Any]:
    """Run on a GPU lent for the call where Hugging Face's package `spaces` is installed (ZeroGPU).

    `duration` says for how many seconds at most, from the arguments of the call.
    """
    try:
        version("spaces")
    except PackageNotFoundError:
        return lambda function: function
    import spaces

    return spaces.GPU(duration=duration)


def place_shipped_models() -> None:
    """On ZeroGPU: what lies on "cuda" before the app starts is moved to the GPU fastest (Hugging Face, ZeroGPU)."""
    if os.environ.get("SPACES_ZERO_GPU"):
        for config in sorted(SHIPPED.glob(f"*/{CONFIG_FILE}")):
            load_checkpoint(f"{SHIPPED.name}/{config.parent.name}")


def seconds_for(images: int) -> int:
    """The time that drawing so many images may take."""
    return LOADING_SECONDS + images // IMAGES_A_SECOND


def _seconds_of_requests(requests: list[str], *_: Any) -> int:
    return seconds_for(sum(SampleRequest.from_canonical(request).count for request in requests))


@on_gpu(_seconds_of_requests)
def draw(requests: list[str], token: str | None = None) -> np.ndarray:
    """Stored samples [N, …] of canonical requests to one checkpoint."""
    parsed = [SampleRequest.from_canonical(request) for request in requests]
    return sample_all(load_checkpoint(parsed[0].checkpoint, token), parsed).numpy()


@on_gpu(lambda *_: WRITING_SECONDS)
def write_stream(request: str, token: str | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The first T tokens int64 [N, T] of the texts of a canonical request and their probabilities float32 [N, T], as
    often as a page can follow, and in the end all of them."""
    from aigc_core.sampling.stream import stream

    parsed = SampleRequest.from_canonical(request)
    shown, grown = 0.0, None
    for grown in stream(load_checkpoint(parsed.checkpoint, token), parsed):
        if time.monotonic() - shown >= FRAME_SECONDS:
            yield grown.tokens.numpy(), grown.probabilities.numpy()
            shown = time.monotonic()
    if grown is not None:
        yield grown.tokens.numpy(), grown.probabilities.numpy()


@on_gpu(lambda centre, steps, *_: seconds_for(len(steps)))
def draw_around(
    centre: LatentPoint | str, steps: list[dict[str, float]], token: str | None = None
) -> tuple[np.ndarray, list[LatentPoint]]:
    """Images uint8 [N, C, R, R] and places at each of N steps from a place, or from that of a canonical request.

    A step is a number of standard deviations for each latent direction by name.
    """
    return _drawn_around(locate(centre, token) if isinstance(centre, str) else centre, steps, token)


@on_gpu(lambda centre, x, y, reach, side, *_: seconds_for(side**2))
def draw_map(
    centre: LatentPoint | str, x: str, y: str, reach: float, side: int, token: str | None = None
) -> tuple[np.ndarray, list[LatentPoint], float]:
    """Stored samples [side², …] and places, row by row from the top left, of a map around a place or that of a
    canonical request, and how far it reaches along the directions x and y.

    `reach`: in standard deviations; 0 for as far as `Directions.reach` says.
    """
    from aigc_core.sampling.directions import load_directions

    start = locate(centre, token) if isinstance(centre, str) else centre
    checkpoint = load_checkpoint(start.checkpoint, token)
    middle = latent_model(checkpoint.model).code_centre.cpu()
    reach = reach or load_directions(checkpoint).reach(torch.from_numpy(start.codes) - middle, x, y)
    ticks = map_ticks(reach, side)
    return *_drawn_around(start, [{x: across, y: up} for up in reversed(ticks) for across in ticks], token), reach


def map_ticks(reach: float, side: int) -> list[float]:
    """Where the columns of a map lie, from the left, and its rows, from below: `side` places, an odd number."""
    half = side // 2
    return [round(reach * tick / half, 3) for tick in range(-half, half + 1)]


def _drawn_around(
    start: LatentPoint, steps: list[dict[str, float]], token: str | None
) -> tuple[np.ndarray, list[LatentPoint]]:
    from aigc_core.sampling.directions import load_directions

    checkpoint = load_checkpoint(start.checkpoint, token)
    known = load_directions(checkpoint)
    places = []
    for step in steps:
        moved = start.codes + sum(value * known.step(name).numpy() for name, value in step.items())
        request = ""
        if start.request:
            request = _moved(SampleRequest.from_canonical(start.request), step).canonical()
        places.append(replace(start, codes=moved.astype(np.float32), request=request))
    return render(checkpoint, *_stacked(places), start.options).numpy(), places


@on_gpu(lambda *_: seconds_for(1))
def draw_sum(places: list[LatentPoint | str], token: str | None = None) -> tuple[np.ndarray, LatentPoint]:
    """The stored sample [1, …] and the place of A − B + C, of three places of one checkpoint."""
    from aigc_core.sampling.arithmetic import difference_added

    found = [locate(place, token) if isinstance(place, str) else place for place in places]
    checkpoint, options = load_checkpoint(found[0].checkpoint, token), found[0].options
    model = latent_model(checkpoint.model)
    codes, condition = _stacked(found)
    with torch.no_grad():
        codes, condition = difference_added(model, codes.to(model.device), condition)
    place = LatentPoint(found[0].checkpoint, codes.cpu().numpy(), condition.classes.numpy(), options=options)
    return render(checkpoint, codes, condition, options).numpy(), place


def locate(request: str, token: str | None = None) -> LatentPoint:
    """The place of the (first) image of a canonical request."""
    single = SampleRequest.from_canonical(request).singles()[0]
    checkpoint = load_checkpoint(single.checkpoint, token)
    codes, condition = request_codes(checkpoint, single)
    options = single.options_of(checkpoint.model)
    return LatentPoint(single.checkpoint, codes.cpu().numpy(), condition.classes.numpy(), single.canonical(), options)


def _moved(request: SampleRequest, step: dict[str, float]) -> SampleRequest:
    """The request a step further along latent directions by name."""
    edits = LatentEdits.of_options(request.options)
    there = {name: round(edits.offsets.get(name, 0) + value, 3) for name, value in step.items()}
    moved = LatentEdits(offsets=edits.offsets | there, mix_seed=edits.mix_seed, mix_layer=edits.mix_layer)
    return request.with_options(
        {name: value for name, value in request.options.items() if not LatentEdits.is_edit(name)}, moved
    )


@on_gpu(lambda places, frames, *_: seconds_for(len(places) * frames))
def draw_movie(
    places: list[LatentPoint | str],
    frames: int,
    curve: Literal["linear", "spherical"] = "spherical",
    token: str | None = None,
    loop: bool = True,
) -> np.ndarray:
    """Stored samples [N · frames, …] that lead through N places of one checkpoint and, with `loop`, back to the first;
    else there are (N − 1) · frames + 1."""
    from aigc_core.sampling.interpolation import interpolate_codes

    found = [locate(place, token) if isinstance(place, str) else place for place in places]
    checkpoint = load_checkpoint(found[0].checkpoint, token)
    codes, condition = _stacked(found)
    codes = codes.to(checkpoint.model.device)
    movie = interpolate_codes(checkpoint, codes, condition, frames, curve, loop, found[0].options)
    return np.stack([frame.numpy() for frame in movie])


@on_gpu(lambda *_: INVERSION_SECONDS)
def invert_stream(
    reference: str, upload: Any, label: str = "", every: int = 10, token: str | None = None
) -> Iterator[tuple[int, float, np.ndarray, LatentPoint]]:
    """Step, loss, stored sample […] and place of an inversion, after every so many steps."""
    from aigc_core.sampling.inversion import invert

    for state in invert(load_checkpoint(reference, token), upload, label, every=every):
        place = LatentPoint(reference, state.codes.numpy(), state.labels.numpy())
        yield state.step, state.loss, state.reproduction.numpy(), place


def directions_of(reference: str, token: str | None = None) -> Directions:
    """The latent directions of a model. Those that it keeps are read without a GPU."""
    from aigc_core.sampling.directions import kept_directions

    return kept_directions(load_checkpoint(reference, token)) or _find_directions(reference, token)


def strongest_directions(reference: str, number: int, token: str | None = None) -> list[str]:
    """The names of a model's latent directions with the most visible effect, strongest first."""
    return directions_of(reference, token).strongest(number)


def visible_directions(reference: str, number: int, token: str | None = None) -> list[str]:
    """`strongest_directions` of a model whose samples are seen as they move: of images, with latents; else none."""
    checkpoint = load_checkpoint(reference, token)
    movable = Capability.LATENT in checkpoint.model.capabilities and checkpoint.modality.media == "image"
    return strongest_directions(reference, number, token) if movable else []


def said_of_directions(reference: str, names: Sequence[str], token: str | None = None) -> dict[str, Sentence | None]:
    """What a step along each of these latent directions of a model does, in words, where there are any."""
    if not names:  # of a model without latents there are none
        return {}
    known = directions_of(reference, token)
    return {name: known.said(name) for name in names}


@on_gpu(lambda *_: DIRECTIONS_SECONDS)
def _find_directions(reference: str, token: str | None) -> Directions:
    from aigc_core.sampling.directions import load_directions

    return load_directions(load_checkpoint(reference, token))


def _stacked(places: list[LatentPoint]) -> tuple[Tensor, Condition]:
    codes, labels = (np.concatenate(arrays) for arrays in zip(*((p.codes, p.labels) for p in places)))
    return torch.from_numpy(codes), Condition(torch.from_numpy(labels))
