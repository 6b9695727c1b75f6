"""How the app starts, and what it says where it cannot."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

import app
from aigc_core.terminal import run_program
from tests.processes import ROOT


def test_without_its_package_mcp_is_refused_in_a_sentence() -> None:
    script = (
        "import runpy, sys; sys.modules['mcp'] = None; sys.argv = ['app.py', '--mcp']; "
        "runpy.run_path('app.py', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "pip install 'gradio[mcp]'" in result.stderr and "Traceback" not in result.stderr


def test_the_app_starts_without_what_it_does_not_need_yet() -> None:
    unneeded = {"plotly", "torchvision", "sklearn", "matplotlib", "streamlit"}
    script = f"import sys, app; print(*{unneeded} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What `python app.py` says to words that it refuses, in this process: importing Gradio again takes seconds."""

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["app.py", *words])
        with pytest.raises(SystemExit) as ended:
            sys.exit(run_program(app.main))
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--port=99999", "argument --port: invalid port value: '99999'"),
        ("--port=http", "argument --port: invalid port value: 'http'"),
        ("--host=203.0.113.1", "of '203.0.113.1' cannot be listened to"),
        ("--host=no-such-name.invalid", "of 'no-such-name.invalid' cannot be listened to"),
    ],
)
def test_an_address_that_cannot_be_served_is_a_sentence(word: str, sentence: str, refusal: Callable[..., str]) -> None:
    assert sentence in refusal(word)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"GRADIO_SERVER_PORT": "99999"}, "GRADIO_SERVER_PORT is 99999"),
        ({"GRADIO_SERVER_NAME": "203.0.113.1"}, "of '203.0.113.1' cannot be listened to"),
    ],
)
def test_an_address_of_the_environment_that_cannot_be_served_is_a_sentence(
    environment: dict[str, str], sentence: str
) -> None:
    start, own = [sys.executable, "app.py"], os.environ | environment
    done = subprocess.run(start, cwd=ROOT, env=own, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


def test_a_busy_port_is_answered_with_the_next_free_one(refusal: Callable[..., str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        busy = other.getsockname()[1]
        start, own = [sys.executable, "-u", "app.py"], os.environ | {"GRADIO_SERVER_PORT": str(busy)}
        said = refusal(f"--port={busy}")
        assert re.search(rf"^error: Port {busy} is in use; (\d+) is free: add --port \1\.$", said, re.M)
        with subprocess.Popen(start, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            lines = iter(server.stdout.readline, "")
            served = next(found for line in lines if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)))
            server.terminate()
        assert busy < int(served[1]) <= busy + 100


def test_an_interruption_while_the_app_is_imported_leaves_no_traceback() -> None:
    verbose = [sys.executable, "-v", "app.py"]
    with subprocess.Popen(verbose, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        while "gradio/__init__" not in server.stderr.readline():
            assert server.poll() is None
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
    assert server.returncode and "KeyboardInterrupt" not in said
