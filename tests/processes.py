"""The command line, in this process and as one of its own; servers, and commands on a full disk."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from aigc_core.cli import main

ROOT = Path(__file__).parents[1]


def run_cli(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m aigc_core` as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "aigc_core", *words],
        cwd=cwd or ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def run_here(capsys: pytest.CaptureFixture[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: the same, without the seconds that importing torch takes."""
    capsys.readouterr()
    return subprocess.CompletedProcess(words, main(list(words)), *capsys.readouterr())


def assert_one_sentence(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command failed with exit status 2 and one sentence, its last line on stderr.

    Where reading took long, there has been a progress bar.
    """
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode == 2, result.stderr
    assert lines == result.stderr.splitlines()[-1:] and "Traceback" not in result.stderr, result.stderr
    assert all(word in lines[0] for word in words), lines[0]


def free_port() -> int:
    """A port of this machine that nobody listens on.

    It lies below those that the system gives to whoever asks for any, so that neither a connection nor another test
    gets it before the server that it is for.
    """
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def answering(server: subprocess.Popen[bytes], url: str) -> Iterator[None]:
    """From when a server's process answers at an address until it is ended with the block."""
    try:
        for _ in range(600):
            assert server.poll() is None, "the server ended while starting"
            try:
                urllib.request.urlopen(url, timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(30)


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes of a small disk, if it is one, by a file, which is returned."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free if os.path.ismount(disk) else leave
    filler.write_bytes(bytes(max(0, free - leave)))
    return filler


def run_with_little_space(disk: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where neither the disk nor, where it is a plain folder, a file may grow any more."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n" if not os.path.ismount(disk) else ""
    script = limit + f"import sys; from aigc_core.cli import main; sys.exit(main({list(words)!r}))"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
