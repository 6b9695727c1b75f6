"""How long imports take, and how long `python app.py` takes until it answers, against importing torch and gradio."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.processes import free_port

from .report import interleaved, medians, print_table

ROOT = Path(__file__).parents[2]


@contextmanager
def served_app() -> Iterator[str]:
    """Start the app, wait until it answers, yield its address, and end it."""
    port = free_port()
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    server = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)
        yield address
    finally:
        server.terminate()
        server.wait()


def start_app() -> None:
    """Start the app, and end it as soon as it answers."""
    with served_app():
        pass


def python(code: str) -> None:
    """Run code in a new interpreter."""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rows = []
    for name, run, base in (
        ("`python app.py` until it answers", start_app, "import torch, gradio"),
        ("`import aigc_core`", partial(python, "import aigc_core"), "import torch"),
        ("`from aigc_core import Checkpoint`", partial(python, "from aigc_core import Checkpoint"), "import torch"),
    ):
        rounds = interleaved(run, partial(python, base), arguments.rounds + 1)
        own, other, ratio = medians(rounds[1:])  # the first fills the caches of the disk
        rows.append([name, f"{own:.2f} s", f"`{base}`", f"{other:.2f} s", f"{ratio:.2f}×"])
    print_table("Start", ["what", "takes", "against", "takes", "ratio"], rows)


if __name__ == "__main__":
    main()
