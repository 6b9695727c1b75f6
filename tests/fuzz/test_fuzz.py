"""The first inputs of each target, and that failures are found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from aigc_core.errors import AIGCError

from .table import TARGETS
from .target import Target, fuzz, save_failure


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    try:
        report = fuzz(target, seed=0, count=target.short)
    finally:
        target.close()
    assert report.tried == target.short and len(report.outcomes) > 1
    told = [
        f"{failure.what}: python -m tests.fuzz {name} --input {save_failure(failure, tmp_path, name)}\n{failure.trace}"
        for failure in report.failures.values()
    ]
    assert not told, "\n".join(told)


class Faulty(Target):
    """What a target must not do, one fault an input."""

    def inputs(self, seed: int) -> Iterator[bytes]:
        return repeat(str(seed).encode())

    def attempt(self, data: bytes) -> str:
        match data:
            case b"1":
                raise KeyError("unexpected")
            case b"2":
                raise AIGCError("two\nlines")
            case b"3":
                return str(len(bytearray(800 * 2**20)))
            case b"4":
                raise AIGCError("not \ud800 text")
        return "fine"


@pytest.mark.parametrize(("seed", "what"), [(1, "KeyError"), (3, "MiB more memory")])
def test_failures_are_found(seed: int, what: str, tmp_path: Path) -> None:
    report = fuzz(Faulty(tmp_path), seed, count=3)
    (failure,) = [failure for failure in report.failures.values()]
    assert what in failure.what and failure.data == str(seed).encode()
    assert fuzz(Faulty(tmp_path), 0, count=3).failures == {}


def test_the_command_counts_and_says_how_to_try_an_input_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "packets"]
    done = subprocess.run([*command, "--seconds", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "0 failures" in done.stdout, done.stdout + done.stderr
    (tmp_path / "input").write_bytes(b"<x/>")
    again = subprocess.run([*command, "--input", str(tmp_path / "input")], capture_output=True, text=True, check=False)
    assert again.returncode == 0 and "refused: " in again.stdout, again.stdout + again.stderr
