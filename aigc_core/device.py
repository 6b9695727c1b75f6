"""The device that models are drawn and measured on, chosen once for the process."""

from __future__ import annotations

import threading

_choosing = threading.Lock()


def best_device() -> str:
    """`cuda`, `mps` or `cpu`, as Accelerate chooses; threads that ask at the same time get the same answer.

    Accelerate fills a state that all threads share attribute by attribute, so without a lock a second thread could read
    it before the device is set.
    """
    from accelerate import PartialState  # takes a moment that commands without a model do not have to wait for

    with _choosing:
        return str(PartialState().device)
