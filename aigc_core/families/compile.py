"""Compilation of networks, where the launcher asks for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate import Accelerator
from accelerate.utils import DynamoBackend
from torch import Tensor


def maybe_compile(function: Callable[..., Tensor], accelerator: Accelerator) -> Callable[..., Tensor]:
    """A network or a method of it, compiled where `accelerate launch --dynamo_backend inductor` or the like asks so."""
    plugin = accelerator.state.dynamo_plugin
    if plugin is None or plugin.backend == DynamoBackend.NO:
        return function
    return torch.compile(function, **plugin.to_kwargs())
