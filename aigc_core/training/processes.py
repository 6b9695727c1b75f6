"""What only the main process of a run does, and what the others learn of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from aigc_core.errors import AIGCError

Value = TypeVar("Value")


def on_main_process(accelerator: Accelerator, action: Callable[[], Value]) -> Value:
    """What `action` returns on the main process, on all processes of a run; the others wait for it.

    An AIGCError that it raises there is raised on all of them, so that none is left waiting for the main process.
    """
    if accelerator.num_processes == 1:
        return action()
    outcome: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            outcome = [action()]
        except AIGCError as error:
            outcome = [error]
    (result,) = broadcast_object_list(outcome)
    if isinstance(result, AIGCError):
        raise result
    return result
