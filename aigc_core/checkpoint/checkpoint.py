"""A checkpoint in memory: a model with its config, read from a folder and written to one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Model, families
from aigc_core.files import atomic_directory
from aigc_core.modalities.base import Modality

from .config import CheckpointConfig
from .folder import carry_over, incomplete_checkpoint, read_config
from .layout import CONFIG_FILE, WEIGHTS_FILE

MAX_PARAMETERS = 1_000_000_000


@dataclass
class StoredCheckpoint:
    """A model in eval mode with its config.

    `path`: the folder it was read from, if any. `reference`: the name that it was asked for by.
    """

    config: CheckpointConfig
    model: Model
    path: Path | None = None
    reference: str = ""

    @classmethod
    def read(cls, folder: Path, reference: str = "", device: str = "cpu") -> Self:
        """Read a folder onto a device.

        Nothing read is trusted: the config is validated, the network's shape is compared with the header of the weights
        before memory is allocated, and weights must be finite. Raises AIGCError otherwise, which names the reference.
        """
        try:
            config = read_config(folder)
            model = _load_model(config, folder / WEIGHTS_FILE).to(device).eval().requires_grad_(False)
        except AIGCError as error:
            raise error.calling(folder, reference or str(folder)) from None
        return cls(config, model, folder, reference or str(folder))

    @property
    def modality(self) -> Modality:
        """What a sample is."""
        return self.config.sample_kind

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config and weights to `folder`, which appears complete or not at all. Returns the folder.

        A checkpoint that lies there is replaced; its card and what is not of a checkpoint stay.
        """
        folder = Path(folder)
        with atomic_directory(folder) as unfinished:
            self.write_files(unfinished)
            carry_over(folder, unfinished)
        self.path = folder
        return folder

    def write_files(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into an existing folder."""
        (folder / CONFIG_FILE).write_text(self.config.as_json())
        save_file(self._weights(), folder / WEIGHTS_FILE, metadata={"format": "pt"})

    def write_rounded(self, folder: Path) -> None:
        """Write the same files with weights rounded from float32 to float16, half the size; `read` makes them float32.

        The config records which weights were rounded. Tensors with values beyond ±65,504, which float16 cannot hold,
        stay float32.
        """
        config, before = self.config, self.weights_sha256
        rounded = {name: _rounded(tensor) for name, tensor in self._weights().items()}
        save_file(rounded, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        if hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest() != before:
            config = config.model_copy(update={"rounded_from": (*config.rounded_from, before)})
        (folder / CONFIG_FILE).write_text(config.as_json())

    def was_made_by(self, weights: str) -> bool:
        """Whether a SHA-256 is that of these weights, or of the weights that they were rounded from."""
        return weights in (self.weights_sha256, *self.config.rounded_from)

    @cached_property
    def weights_sha256(self) -> str:
        """The identity of the weights: the SHA-256 of `model.safetensors` in hexadecimal, as the Hub shows it."""
        written = (self.path / WEIGHTS_FILE).read_bytes() if self.path else save(self._weights(), {"format": "pt"})
        return hashlib.sha256(written).hexdigest()

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}


def _rounded(tensor: Tensor) -> Tensor:
    if tensor.dtype != torch.float32 or tensor.abs().max() > torch.finfo(torch.float16).max:
        return tensor
    return tensor.half()


def _load_model(config: CheckpointConfig, weights: Path) -> Model:
    if not weights.is_file():
        raise incomplete_checkpoint(weights.parent)
    try:
        with torch.device("meta"):
            model = families[config.family].build_model(config.spec)
    except RuntimeError as error:
        raise AIGCError(
            "'{folder}' describes a network that cannot be built: {error}.", folder=weights.parent, error=error
        ) from None
    expected = model.state_dict()
    check_size(weights.parent, expected)
    try:
        check_fit(weights, shapes_in(weights), {name: tuple(tensor.shape) for name, tensor in expected.items()})
        tensors = load_file(weights)
        tensors = {
            name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()
        }
        types = {name: tensor.dtype for name, tensor in tensors.items()}
        check_fit(weights, types, {name: tensor.dtype for name, tensor in expected.items()})
    except SafetensorError as error:
        raise AIGCError(
            "'{weights}' is damaged or not a safetensors file ({error}); fetch it again.", weights=weights, error=error
        ) from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise AIGCError(
                "'{weights}' has values that are not finite (tensor '{name}'): training had diverged.",
                weights=weights,
                name=name,
            )
    model.load_state_dict(tensors, assign=True)
    return model


def check_size(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise AIGCError if the network that a folder describes has over MAX_PARAMETERS parameters."""
    if sum(tensor.numel() for tensor in tensors.values()) > MAX_PARAMETERS:
        raise AIGCError(
            "'{folder}' describes a network of over {limit:,} parameters; refused.", folder=folder, limit=MAX_PARAMETERS
        )


def shapes_in(weights: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a file, read from its header alone. Raises SafetensorError if it is damaged."""
    with safe_open(weights, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def check_fit(weights: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise AIGCError, which names a tensor, unless the shapes or types found in a file are the network's."""
    for name in sorted(set(found) | set(expected)):
        if found.get(name) != expected.get(name):
            raise AIGCError(
                "'{weights}' does not fit its config: tensor '{name}' is {found} in the file and {expected} in the "
                "network.",
                weights=weights,
                name=name,
                found=found.get(name, Sentence("missing")),
                expected=expected.get(name, Sentence("absent")),
            )
