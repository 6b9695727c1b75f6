"""What every benchmark prints, and how two things are timed on a machine that others use too."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch


def interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """Seconds of both, one pair a round, in turns, so that what else the machine does falls on both alike."""
    return [(_seconds(first), _seconds(second)) for _ in range(rounds)]


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """The median of the first, of the second, and of first / second within a pair."""
    return (
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
        statistics.median(first / second for first, second in pairs),
    )


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table under a heading, with the machine and the versions."""
    print(f"### {title}\n")
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(map(str, row))} |")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    print(
        f"\n{device}, {torch.get_num_threads()} threads, {platform.system()}, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}, {time.strftime('%Y-%m-%d')}.\n"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
