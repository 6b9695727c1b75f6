"""The training state that `--resume` needs, as files without pickles: weights, optimisers and counters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aigc_core.checkpoint.config import SamplesSeen
from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError

COUNTERS_FILE = "counters.json"


class Counters(Config):
    """How far a run has come: `step` and `samples_seen` as in a checkpoint's config, `training_seconds` in seconds."""

    step: int = Field(ge=0)
    samples_seen: SamplesSeen
    training_seconds: float = Field(ge=0)


def save_training_state(
    folder: Path,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    counters: dict[str, Any],
) -> None:
    """Write each module and optimiser to a safetensors file of `folder`, and the counters as JSON."""
    folder.mkdir()
    for name, module in modules.items():
        _save(folder / f"{name}.safetensors", module.state_dict())
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()["state"]
        tensors = {f"{index}.{key}": value for index, values in state.items() for key, value in values.items()}
        _save(folder / f"{name}_optimizer.safetensors", tensors)
    (folder / COUNTERS_FILE).write_text(json.dumps(counters, indent=2) + "\n")


def load_training_state(
    folder: Path, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]
) -> dict[str, Any]:
    """Restore modules and optimisers in place and return the counters.

    Raises AIGCError if a file is missing, damaged, or belongs to other networks.
    """
    files = [f"{name}.safetensors" for name in (*modules, *(f"{name}_optimizer" for name in optimizers))]
    if missing := [name for name in (COUNTERS_FILE, *files) if not (folder / name).is_file()]:
        raise AIGCError("'{folder}' cannot be resumed: {missing} is missing.", folder=folder, missing=missing[0])
    try:
        return _load(folder, modules, optimizers)
    except (AIGCError, SafetensorError, OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".:")
        raise AIGCError(
            "'{folder}' cannot be resumed, as it is damaged or of another recipe ({reason}).",
            folder=folder,
            reason=reason,
        ) from None


def _load(folder: Path, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> dict[str, Any]:
    counters = parse_config(Counters, json.loads((folder / COUNTERS_FILE).read_text()), COUNTERS_FILE)
    for name, module in modules.items():
        module.load_state_dict(load_file(folder / f"{name}.safetensors"))
    for name, optimizer in optimizers.items():
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(folder / f"{name}_optimizer.safetensors").items():
            index, _, field = key.partition(".")
            parameter = parameters[int(index)]
            # Fused optimisers address memory directly, so moments need the memory format of their weights.
            shaped = value.shape == parameter.shape
            if not shaped and value.numel() != 1:
                raise ValueError(f"{key} has the shape {[*value.shape]}, and its weights {[*parameter.shape]}")
            value_in_place = torch.empty_like(parameter, requires_grad=False).copy_(value) if shaped else value
            state.setdefault(int(index), {})[field] = value_in_place
        if len({frozenset(fields) for fields in state.values()}) > 1:
            raise ValueError(f"{name}_optimizer.safetensors lacks part of what the optimiser keeps")
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return counters.model_dump()


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, path)
