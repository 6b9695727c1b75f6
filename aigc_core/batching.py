"""How many images go through a network at a time: as many as memory, not a fixed count, allows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BATCH_BYTES = 256 * 2**20
"""What the activations of a batch may take, about."""
LIVE_TENSORS = 3
"""So many of the largest activations live at once: an operation's input and output, and a skip connection."""

_bytes_per_image: WeakKeyDictionary[nn.Module, dict[Hashable, int]] = WeakKeyDictionary()


def images_that_fit(bytes_per_image: int, at_most: int) -> int:
    """How many images of so many bytes a batch may have, 1 to `at_most`."""
    return max(1, min(at_most, BATCH_BYTES // max(1, bytes_per_image)))


@torch.no_grad()
def batch_size(network: nn.Module, forward: Callable[[int], object], at_most: int, key: Hashable = None) -> int:
    """How many images a batch may have, 1 to `at_most`.

    `forward(n)` passes 1 or 2 images through the network; what its operations put out more for two than for one is
    measured, once for each `key` (such as the images' size).
    """
    if at_most <= 1:
        return 1
    known = _bytes_per_image.setdefault(network, {})
    if key not in known:
        one, two = (_outputs(forward, count) for count in (1, 2))
        known[key] = LIVE_TENSORS * max((more - less for less, more in zip(one, two)), default=0)
    return images_that_fit(known[key], at_most)


def _outputs(forward: Callable[[int], object], count: int) -> list[int]:
    """The bytes that each operation of a forward pass puts out."""
    with _Recorder() as recorder:
        forward(count)
    return recorder.sizes


class _Recorder(TorchDispatchMode):
    """Notes the bytes of the results of all operations of this thread.

    PyTorch documents dispatch modes as its way to do so, though the modules that have them begin with an underscore.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        leaves = tree_leaves(result)
        self.sizes.append(sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, Tensor)))
        return result
