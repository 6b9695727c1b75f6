"""How the C library keeps the memory that tensors free."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""


def keep_freed_memory(kept_bytes: int, arenas: int | None = None) -> None:
    """Let glibc use the memory of one step or call again in the next, instead of giving it back to the kernel.

    `kept_bytes`: the most unused bytes at the end of an arena. `arenas`: the most arenas, which threads share (by
    default eight per core, each of which keeps the memory of its peak).
    """
    with suppress(OSError, AttributeError):  # other systems have no such setting
        glibc = ctypes.CDLL("libc.so.6")
        glibc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
        glibc.mallopt(M_TRIM_THRESHOLD, kept_bytes)
        if arenas is not None:
            glibc.mallopt(M_ARENA_MAX, arenas)
