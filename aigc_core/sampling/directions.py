"""The latent directions that change samples most, found without labels.

`sefa0`, `sefa1`, …: closed-form factorisation of the weights that read the codes (SeFa; Shen & Zhou 2021).
`pca0`, `pca1`, …: principal components of activations (GANSpace; Härkönen et al. 2020): of the styles in models with
styles, otherwise of the first activations that are not linear in the codes, regressed back to codes.

A direction is named after the attribute that it changes, where it clearly changes one that can be measured. All this is
computed once and kept beside the checkpoint as `directions.safetensors`, or in the user's cache if the checkpoint's
folder cannot be written to.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.layout import DIRECTIONS_FILE
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Condition, LatentModel, StyleModel, latent_model
from aigc_core.files import atomic_write, cache_folder
from aigc_core.modalities.attributes import ATTRIBUTES

from .noise import draw_noise

KIND_COUNT = 16
BATCH_SIZE = 64
ACTIVATION_SAMPLES = 4096
ACTIVATION_VALUES = 2**26
EFFECT_SAMPLES, LARGE_EFFECT_SAMPLES = 16, 2
"""How many codes the effect of a direction is measured on; fewer for large codes, as flows decode in many steps."""
SAME_DIRECTION = 0.9
CROSSING = 0.3
"""The cosine below which two directions are nearly at right angles."""
FARTHER = 0.01
LEAST_REACH = 0.5
NAMED = 12
"""So many of the strongest directions are named, if they change an attribute."""
NAMED_SAMPLES, LARGE_NAMED_SAMPLES = 16, 4
PLACES = (-2, 0, 2)
"""How many standard deviations along a direction its attributes are measured at."""
CLEAR = 0.8
"""The least correlation of an attribute with the place along a direction that is named after it."""
NOTICEABLE = 0.2
"""The least change of it for a step of one standard deviation, in standard deviations over seeds."""
LARGE = 1024
"""The largest size of a code for which all eigenvectors are found in seconds."""

direction_name = re.compile(r"(sefa|pca)[0-9]{1,4}")
"""Excludes the characters that separate names in a file or in a request's offsets."""


@dataclass(frozen=True)
class Directions:
    """n directions in the space of a model's codes.

    names: "sefa0" …, "pca0" …; vectors: float32 [n, dim], of unit length; deviations: float32 [n], the standard
    deviation of codes along each; shares: float32 [n], its share of the energy that its method decomposes;
    effects: float32 [n], the mean change of a pixel, in levels of 255, for a step of one standard deviation;
    attributes: of each, the name of what grows along it ("brightness"; "-brightness" if it shrinks) or "", or nothing
    at all if they were not measured.
    """

    names: tuple[str, ...]
    vectors: Tensor
    deviations: Tensor
    shares: Tensor
    effects: Tensor
    attributes: tuple[str, ...] = ()

    def said(self, name: str) -> Sentence | None:
        """What a step along a direction does, in words, if it has an attribute: "Brighter"."""
        attribute = dict(zip(self.names, self.attributes)).get(name)
        if not attribute:
            return None
        found = ATTRIBUTES[attribute.removeprefix("-")]
        return found.less if attribute.startswith("-") else found.more

    def step(self, name: str) -> Tensor:
        """float32 [dim]: one standard deviation along a direction. Raises AIGCError if there is none of that name."""
        if name not in self.names:
            known = ", ".join(self.names)
            raise AIGCError(
                "There is no latent direction '{name}'; beside coordinates like z0 there are {known}.",
                name=name[:100],
                known=known,
            )
        index = self.names.index(name)
        return self.deviations[index] * self.vectors[index]

    def reach(self, codes: Tensor, x: str, y: str) -> float:
        """How far a map may go from a code, along two directions and back, to stay where the model's samples are.

        `codes`: [1, …, dim], less the mean of codes. In standard deviations, a multiple of 0.1.

        Projected on the plane of the two directions, standard-normal codes lie farther from their mean than r with
        probability exp(−r² / 2). The corners of the map have at most the r that a share FARTHER of the samples exceeds;
        the nearer the code itself is to the edge, the less is left. At right angles to the plane, where a large part
        of the code lies, a map changes nothing. Styles are treated alike, as if they were normal. Two directions that
        are not at right angles stretch one diagonal of the map, which their angle accounts for.
        """
        steps = torch.stack([self.step(x), self.step(y)]).double()
        units = nn.functional.normalize(steps, dim=1)
        angles = units @ units.T
        code = codes.double().flatten(0, -2).mean(0)
        own = torch.linalg.lstsq(steps.T, code[:, None]).solution[:, 0]
        room = own @ angles @ own + 2 * math.log(FARTHER)  # negative inside the circle
        if room >= 0:
            return LEAST_REACH
        corners = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
        square = ((corners @ angles) * corners).sum(1).clamp(min=1e-6)
        linear = corners @ angles @ own
        farthest = ((linear.square() - square * room).sqrt() - linear) / square
        return max(LEAST_REACH, math.floor(10 * float(farthest.min()) + 1e-6) / 10)

    def crossing(self, name: str, others: Sequence[str]) -> str:
        """The first of other directions that is nearly at right angles to one and has another attribute, or the one
        that comes nearest to that."""
        unit = {each: nn.functional.normalize(self.step(each), dim=0) for each in (name, *others)}
        attribute = {each: found.removeprefix("-") for each, found in zip(self.names, self.attributes)}

        def alike(other: str) -> tuple[float, bool]:
            has_same = bool(attribute.get(other)) and attribute[other] == attribute[name]
            return max(CROSSING, abs(float(unit[other] @ unit[name]))), has_same

        return min(others, key=alike)

    def strongest(self, n: int) -> list[str]:
        """The names of the n directions with the most visible effect, strongest first.

        A direction that (almost) repeats a stronger one is left out, so there may be fewer.
        """
        return self._ranking[:n]

    @cached_property
    def _ranking(self) -> list[str]:
        chosen: list[int] = []
        for index in self.effects.argsort(descending=True).tolist():
            if all((self.vectors[index] @ self.vectors[other]).abs() < SAME_DIRECTION for other in chosen):
                chosen.append(index)
        return [self.names[index] for index in chosen]


_known: dict[str, Directions] = {}
_one_at_a_time = threading.Lock()


def load_directions(checkpoint: StoredCheckpoint) -> Directions:
    """The directions of a checkpoint; computed if none are stored for its weights. Raises AIGCError without latents."""
    with _one_at_a_time:
        if kept := kept_directions(checkpoint):
            return kept
        identity = checkpoint.weights_sha256
        _known[identity] = _found(checkpoint, identity, _places(checkpoint, identity))
        return _known[identity]


def kept_directions(checkpoint: StoredCheckpoint) -> Directions | None:
    """The directions of a checkpoint if they are stored; nothing is computed. Raises AIGCError without latents."""
    identity = checkpoint.weights_sha256
    if identity not in _known:
        size = latent_model(checkpoint.model).first_layers()[0].shape[1]
        kept = (_read(place, checkpoint, size) for place in _places(checkpoint, identity))
        if directions := next((directions for directions in kept if directions), None):
            _known[identity] = directions
    return _known.get(identity)


def _places(checkpoint: StoredCheckpoint, identity: str) -> list[Path]:
    """Where directions are kept: beside the weights, or in the cache."""
    beside = [checkpoint.path / DIRECTIONS_FILE] if checkpoint.path else []
    return [*beside, cache_folder("directions") / f"{identity}.safetensors"]


def _found(checkpoint: StoredCheckpoint, identity: str, places: list[Path]) -> Directions:
    directions = find_directions(latent_model(checkpoint.model), checkpoint.config.num_classes)
    directions = replace(directions, attributes=changed_attributes(checkpoint, directions))
    lists = {"names": ",".join(directions.names), "attributes": ",".join(directions.attributes)}
    for place in places:
        try:
            with atomic_write(place) as unfinished:
                tensors = {name: value for name, value in vars(directions).items() if isinstance(value, Tensor)}
                save_file(tensors, unfinished, lists | {"weights": identity})
            break
        except AIGCError:
            continue  # not writable; if no place is, they are computed again next time
    return directions


def _read(path: Path, checkpoint: StoredCheckpoint, size: int) -> Directions | None:
    """The directions kept in a file; None if there are none, or none of these weights and codes of this size."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in ("vectors", "deviations", "shares", "effects")}
    except (OSError, SafetensorError):
        return None
    names = tuple(metadata.get("names", "").split(","))
    attributes = tuple(metadata.get("attributes", "").split(","))  # files made before there were any have none
    if len(attributes) != len(names) or any(each and each.removeprefix("-") not in ATTRIBUTES for each in attributes):
        attributes = ()
    shapes = [tuple(tensor.shape) for tensor in tensors.values()]
    of_these_weights = checkpoint.was_made_by(metadata.get("weights", ""))
    fitting = shapes == [(len(names), size), *[(len(names),)] * 3] and of_these_weights
    # Some that ship are stored as float16, like weights.
    sound = all(value.dtype in (torch.float32, torch.float16) and value.isfinite().all() for value in tensors.values())
    floats = {name: value.float() for name, value in tensors.items()}
    if not (fitting and sound and all(map(direction_name.fullmatch, names))):
        return None
    return Directions(names, **floats, attributes=attributes)


def find_directions(model: LatentModel, num_classes: int) -> Directions:
    """Compute the directions of a model in eval mode, which takes seconds."""
    with torch.inference_mode(False), torch.no_grad():
        device = model.device
        noise, classes = draw_noise(range(ACTIVATION_SAMPLES), model.noise_shape, num_classes)
        noise, condition = noise.to(device), Condition(classes.to(device))
        codes = _codes(model, noise, condition)
        sefa_vectors, sefa_shares = (
            found[:KIND_COUNT].to(device) for found in closed_form_factorisation(model.first_layers())
        )
        if isinstance(model, StyleModel):
            styles = codes[:, 0]
            pca_vectors, pca_shares = principal_components(styles)
            vectors = torch.cat([sefa_vectors, pca_vectors])
            deviations = (styles @ vectors.T).std(0)
        else:
            activations = _first_nonlinear_activations(model, codes, condition)
            pca_vectors, pca_shares = latent_components(activations, codes[: len(activations)])
            vectors = torch.cat([sefa_vectors, pca_vectors])
            deviations = torch.ones(len(vectors), device=device)
        rows = slice(EFFECT_SAMPLES if codes[0].numel() <= LARGE else LARGE_EFFECT_SAMPLES)
        effects = _effects(model, codes[rows], condition[rows], deviations[:, None] * vectors)
        shares = torch.cat([sefa_shares, pca_shares])
        counts = {"sefa": len(sefa_vectors), "pca": len(pca_vectors)}
    names = tuple(f"{kind}{index}" for kind, count in counts.items() for index in range(count))
    return Directions(names, vectors.cpu(), deviations.cpu(), shares.cpu(), effects.cpu())


@torch.no_grad()
def changed_attributes(checkpoint: StoredCheckpoint, directions: Directions) -> tuple[str, ...]:
    """What each direction changes most, as `Directions.attributes`, which takes seconds.

    Each attribute of the samples of the same seeds is measured at PLACES along a direction. It belongs to the direction
    if, without each seed's own mean, it correlates with the place by CLEAR or more, and changes by NOTICEABLE or more;
    of several the one that changes most. Directions that are not among the NAMED strongest have none.
    """
    model, modality = latent_model(checkpoint.model), checkpoint.modality
    noise, classes = draw_noise(range(NAMED_SAMPLES), model.noise_shape, checkpoint.config.num_classes)
    condition = Condition(classes.to(model.device))
    codes = _codes(model, noise.to(model.device), condition)
    rows = slice(NAMED_SAMPLES if codes[0].numel() <= LARGE else LARGE_NAMED_SAMPLES)
    codes, condition = codes[rows], condition[rows]

    def measured(step: Tensor) -> dict[str, Tensor]:
        made = model.decode(codes + step.to(codes.device), condition, model.options_type())
        return {name: value.cpu() for name, value in modality.attributes(modality.to_stored(made)).items()}

    places = torch.tensor(PLACES, dtype=torch.float64)[:, None]
    unmoved = measured(torch.zeros(()))
    found = dict.fromkeys(directions.names, "")
    for name in directions.strongest(NAMED) if unmoved else ():
        along = [measured(place * directions.step(name)) if place else unmoved for place in PLACES]
        changes = {}
        for attribute, own in unmoved.items():
            moves = torch.stack([each[attribute] for each in along])
            moves = moves - moves.mean(0)
            shared = (places * moves).sum()
            squares = places.square().sum() * len(own)
            correlation = shared / (squares * moves.square().sum()).sqrt().clamp(min=1e-12)
            change = shared / squares / own.std().clamp(min=1e-12)
            if correlation.abs() >= CLEAR and change.abs() >= NOTICEABLE:  # false where it is NaN
                changes[attribute] = float(change)
        if changes:
            strongest = max(changes, key=lambda attribute: abs(changes[attribute]))
            found[name] = f"{'-' * (changes[strongest] < 0)}{strongest}"
    return tuple(found.values())


def closed_form_factorisation(weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Eigenvectors (rows, unit, strongest first) of AᵀA, and each one's share of the eigenvalues' sum.

    A stacks the 2-D weights [out, dim] that read the latent; an eigenvector is the direction in which a step
    changes their output most (Shen & Zhou 2021, equations 4 to 6). They are all found, [dim, dim], up to LARGE
    dimensions, and the KIND_COUNT strongest of more, as the codes of flows have.
    """
    if weights[0].shape[1] > LARGE:
        axes, scales = _strongest_axes(torch.cat([weight.detach() for weight in weights]))
        total = sum(weight.detach().square().sum() for weight in weights)
        return _signed(axes)[:KIND_COUNT], (scales**2 / total)[:KIND_COUNT]
    stacked = torch.cat([weight.detach().double() for weight in weights])
    values, vectors = torch.linalg.eigh(stacked.T @ stacked)
    values = values.flip(0).clamp(min=0)
    return _signed(vectors.T.flip(0)).float(), (values / values.sum()).float()


def principal_components(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Principal axes [KIND_COUNT or fewer, dim] of samples [N, dim] (rows, unit) and their shares of the variance."""
    centred = samples - samples.mean(0)
    axes, scales = _strongest_axes(centred)
    shares = scales**2 / centred.square().sum().clamp(min=1e-12)
    count = min(KIND_COUNT, *centred.shape)
    return _signed(axes)[:count], shares[:count]


def _strongest_axes(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The right singular vectors [2 · KIND_COUNT or fewer, dim] (rows, strongest first) of a matrix [N, dim], and their
    singular values, of which the weaker half is less sure.

    By randomised subspace iteration (Halko et al. 2011, algorithm 4.4), as there may be many dimensions.
    """
    size = min(2 * KIND_COUNT, *matrix.shape)
    draw = torch.Generator().manual_seed(0)
    basis = torch.randn(matrix.shape[1], size, generator=draw).to(matrix.device)
    for _ in range(8):
        basis = torch.linalg.qr(matrix.T @ (matrix @ basis)).Q
    _, scales, axes = torch.linalg.svd(matrix @ basis, full_matrices=False)
    return axes @ basis.T, scales


def latent_components(activations: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Directions in Z [n, latent_dim] (rows, unit) that move along the principal components of activations [N, F].

    Each is the least-squares map from a component's coordinate to the latents [N, latent_dim] that made the
    activations (Härkönen et al. 2020, section 2.2, equation 3).
    """
    axes, shares = principal_components(activations)
    coordinates = (activations - activations.mean(0)) @ axes.T
    regressed = torch.linalg.lstsq(coordinates, latents).solution
    return nn.functional.normalize(regressed, dim=1), shares


def _signed(vectors: Tensor) -> Tensor:
    """Rows with the sign that makes the largest coordinate positive, so that it is the same on every machine."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * largest.sign()


def _codes(model: LatentModel, noise: Tensor, condition: Condition) -> Tensor:
    """Codes without truncation."""
    options = model.options_type()
    return torch.cat([model.encode(noise[rows], condition[rows], options) for rows in _batches(len(noise))])


def _effects(model: LatentModel, codes: Tensor, condition: Condition, steps: Tensor) -> Tensor:
    """[n]: the mean of |G(c + step) − G(c − step)| / 2 over values and codes, in levels of 255."""
    options = model.options_type()
    ends = ([model.decode(codes + sign * step, condition, options) for sign in (1, -1)] for step in steps)
    return torch.stack([127.5 * (ahead - behind).abs().mean() / 2 for ahead, behind in ends])


def _first_nonlinear_activations(model: LatentModel, codes: Tensor, condition: Condition) -> Tensor:
    """Activations [N, F] of the first layer whose output is not affine in the codes.

    Before it, principal components would repeat the closed-form factorisation. If F is large, fewer codes are
    used, so that the activations take at most 256 MB.
    """
    code = codes[:1]
    probes = torch.cat([code, -code, torch.zeros_like(code)])
    outputs = _outputs(model, _layers(model), probes, condition[torch.zeros(3, dtype=torch.int64)])
    layer, values = next(
        ((layer, values) for layer, values in outputs.items() if not _is_affine(values)), list(outputs.items())[-1]
    )
    count = min(len(codes), max(BATCH_SIZE, ACTIVATION_VALUES // values[0].numel()))
    batches = (_outputs(model, [layer], codes[rows], condition[rows])[layer].flatten(1) for rows in _batches(count))
    return torch.cat(list(batches))


def _batches(count: int) -> list[slice]:
    return [slice(start, min(start + BATCH_SIZE, count)) for start in range(0, count, BATCH_SIZE)]


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if not list(module.children())]


def _is_affine(values: Tensor) -> bool:
    """Whether values at codes c, −c and 0 lie on a line."""
    bend = values[0] + values[1] - 2 * values[2]
    return bool(bend.abs().max() <= 1e-4 * values.abs().max())


class _AllSeen(Exception):
    """Ends a decoding of many steps whose further outputs nobody needs."""


def _outputs(
    model: LatentModel, layers: list[nn.Module], codes: Tensor, condition: Condition
) -> dict[nn.Module, Tensor]:
    """What layers put out first, in the order in which they are used; decoding stops when all have."""
    outputs: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, _: Any, output: Tensor) -> None:
        outputs.setdefault(layer, output.clone())
        if len(outputs) == len(layers):
            raise _AllSeen

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with suppress(_AllSeen):
            model.decode(codes, condition, model.options_type())
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
