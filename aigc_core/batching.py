"""How many samples go through a network at a time: as many as memory, not a fixed count, allows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BATCH_BYTES = 256 * 2**20
"""About what the activations of a batch may take."""
LIVE_TENSORS = 3
"""How many of the largest activations live at once: an operation's input, its output and a skip connection."""

_bytes_per_sample: WeakKeyDictionary[nn.Module, dict[Hashable, int]] = WeakKeyDictionary()


def samples_that_fit(bytes_per_sample: int, at_most: int) -> int:
    """The size of a batch of samples that take `bytes_per_sample` each: 1 to `at_most`."""
    return max(1, min(at_most, BATCH_BYTES // max(1, bytes_per_sample)))


@torch.no_grad()
def batch_size(network: nn.Module, forward: Callable[[int], object], at_most: int, key: Hashable = None) -> int:
    """The size of a batch for `network`: 1 to `at_most`.

    `forward(n)` passes n = 1 or 2 samples through the network. The memory of one sample is measured as the difference
    between the outputs of all operations for two samples and for one, once for each `key` (such as the samples' size).
    """
    if at_most <= 1:
        return 1
    known = _bytes_per_sample.setdefault(network, {})
    if key not in known:
        one, two = (_outputs(forward, count) for count in (1, 2))
        known[key] = LIVE_TENSORS * max((more - less for less, more in zip(one, two)), default=0)
    return samples_that_fit(known[key], at_most)


def _outputs(forward: Callable[[int], object], count: int) -> list[int]:
    """The bytes of each operation's output in a forward pass, in the order in which they run."""
    with _Recorder() as recorder:
        forward(count)
    return recorder.sizes


class _Recorder(TorchDispatchMode):
    """Records the bytes of the results of all operations of this thread.

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
