"""The device that models are drawn and measured on, chosen once for the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_choosing = threading.Lock()


def best_device() -> str:
    """`cuda`, `mps` or `cpu`, as Accelerate chooses; threads that ask at the same time get the same answer.

    Accelerate fills a state that all threads share attribute by attribute, so without a lock a second thread could read
    it before the device is set.
    """
    from accelerate import PartialState  # takes a moment that commands without a model do not have to wait for

    with _choosing:
        return str(PartialState().device)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread of the CPU.

    Several add up in another order than one does, and where a sample hangs on a comparison, as a token does, the last
    digit can make it another. A small step gains little by several, and while other programs run they wait for one
    another, which takes many times as long.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
