"""Compilation of networks, if the launcher asks for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate import Accelerator
from accelerate.utils import DynamoBackend
from torch import Tensor


def maybe_compile(function: Callable[..., Tensor], accelerator: Accelerator) -> Callable[..., Tensor]:
    """A network or a method of it, compiled if `accelerate launch` was given a `--dynamo_backend`."""
    plugin = accelerator.state.dynamo_plugin
    if plugin is None or plugin.backend == DynamoBackend.NO:
        return function
    return torch.compile(function, **plugin.to_kwargs())
