"""The dashboard as tests meet it: its pages as Streamlit's AppTest runs them, and served to a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from streamlit.testing.v1 import AppTest

from tests.processes import ROOT, answering, free_port


def open_dashboard(page: str = "leaderboard", **query: str | list[str]) -> AppTest:
    """A page as a visitor sees it who followed a link."""
    test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=120)
    test.query_params.update(query)
    test.run()
    if page != "leaderboard":
        test.switch_page(f"{page}.py").run()
    assert not test.exception
    return test


@contextmanager
def served_dashboard(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """A running dashboard with some more variables in its environment: its host and port, and its process."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.port", address.partition(":")[2]]
    command += ["--server.headless", "true", "--server.fileWatcherType", "none"]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    with answering(server, f"http://{address}/_stcore/health"):
        yield address, server.pid
