"""AIGC Studio's core: train, sample, evaluate and share generative models.

The public names are loaded on first use, so that `import aigc_core` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .errors import AIGCError
    from .pipeline import Checkpoint
    from .sampling.request import SampleRequest

_homes = {"AIGCError": "errors", "Checkpoint": "pipeline", "SampleRequest": "sampling.request"}

__all__ = ["AIGCError", "Checkpoint", "SampleRequest", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_homes[name]}", __name__), name)
