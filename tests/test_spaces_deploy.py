"""`python spaces/deploy.py` with the real client, over HTTP, against a local Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .local_hub_spaces import LocalHub, Model, Space

ROOT = Path(__file__).parents[1]
SETTINGS = ("POST /api/repos/create", "/commit/", "/hardware", "/sleeptime", "/variables", "/secrets", "/restart")


@pytest.fixture()
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


def deploy(hub: LocalHub, *words: str, token: str = "hf_ada", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SPACE_"))}
    own = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, str(ROOT / "spaces" / "deploy.py"), *words]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env=kept | own | environment, timeout=120
    )
    assert "Traceback" not in result.stderr and token not in result.stdout + result.stderr, result.stderr
    return result


def changes(hub: LocalHub) -> list[str]:
    return [call for call in hub.calls if any(name in call for name in SETTINGS) and "/commit/" not in call[:5]]


def test_a_new_space_is_one_commit_on_zero_gpu(hub, tmp_path):
    result = deploy(hub, "demo", "ada/studio")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"{hub.endpoint}/spaces/ada/studio"
    space = hub.spaces["ada/studio"]
    assert (space.sdk, space.hardware, space.private, len(space.commits)) == ("gradio", "zero-a10g", False, 2)
    deploy(hub, "demo", "ada/studio", "--dry-run", str(tmp_path / "dry"))
    dry = {
        p.relative_to(tmp_path / "dry").as_posix(): p.read_bytes() for p in (tmp_path / "dry").rglob("*") if p.is_file()
    }
    assert space.files == dry | {".gitattributes": b""}
    assert changes(hub) == ["POST /api/repos/create", "POST /api/spaces/ada/studio/commit/main"]


def test_running_again_changes_nothing_and_keeps_the_settings(hub):
    options = ["--hardware", "t4-small", "--sleep", "600", "--private", "--models", "ada/cats"]
    hub.models = {"ada/cats": Model()}
    assert deploy(hub, "dashboard", "ada/compare", *options, SPACE_HF_TOKEN="hf_read_only").returncode == 0
    space = hub.spaces["ada/compare"]
    assert (space.sdk, space.hardware, space.sleep, space.private) == ("docker", "t4-small", 600, True)
    assert space.variables == {"AIGC_MODELS": "ada/cats"} and space.secrets == {"HF_TOKEN": "hf_read_only"}
    assert not [name for name, content in space.files.items() if b"hf_read_only" in content]
    assert deploy(hub, "dashboard", "ada/compare", *options).returncode == 2  # the private model needs its token
    commits, hub.calls = list(space.commits), []
    assert deploy(hub, "dashboard", "ada/compare", *options, SPACE_HF_TOKEN="hf_read_only").returncode == 0
    assert space.commits == commits and not [call for call in changes(hub) if "/hardware" in call or "create" in call]


def test_an_update_removes_what_is_gone_and_moves_the_hardware(hub):
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    space = hub.spaces["ada/studio"]
    space.files["old.py"] = b"gone from the list"
    assert deploy(hub, "demo", "ada/studio", "--hardware", "l4x1", "--sleep", "300").returncode == 0
    assert "old.py" not in space.files and len(space.commits) == 3
    assert (space.hardware, space.sleep) == ("l4x1", 300)
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    assert space.hardware == "l4x1"


def test_a_failed_build_shows_the_end_of_its_log_and_running_again_rebuilds(hub):
    hub.builds = ["BUILDING", "BUILD_ERROR"]
    result = deploy(hub, "demo", "ada/studio")
    assert result.returncode == 2 and "BUILD_ERROR" in result.stderr
    assert "line 49\n" in result.stderr and "line 30\n" in result.stderr and "line 29\n" not in result.stderr
    hub.builds = ["BUILDING", "RUNNING"]
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    assert "POST /api/spaces/ada/studio/restart" in hub.calls


def test_the_build_of_an_update_is_awaited_though_the_old_one_still_runs(hub):
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    hub.spaces["ada/studio"].files["old.py"] = b"gone from the list"
    hub.builds = ["RUNNING", "RUNNING", "RUNNING_BUILDING", "BUILD_ERROR"]
    assert "BUILD_ERROR" in deploy(hub, "demo", "ada/studio").stderr


@pytest.mark.parametrize(
    ("call", "status", "said", "sentence"),
    [
        ("POST /api/repos/create", 402, "Subscribe to PRO to host more ZeroGPU Spaces", "host more ZeroGPU Spaces"),
        ("POST /api/repos/create", 403, "This hardware is not allowed", "hardware is not allowed"),
        ("/commit/", 500, "Internal error", "run the same command again"),
        ("/hardware", 403, "This hardware is not allowed", "hardware is not allowed"),
        ("/runtime", 429, "Too many requests", "wait a little"),
    ],
)
def test_a_refusal_is_one_sentence_and_running_again_continues(hub, call, status, said, sentence):
    options = ["--hardware", "t4-small"]
    if call == "/hardware":
        assert deploy(hub, "demo", "ada/studio").returncode == 0
    hub.refuse = {call: (status, said)}
    result = deploy(hub, "demo", "ada/studio", *options, HF_HUB_DISABLE_XET="1")
    assert result.returncode == 2, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == result.stderr.splitlines()[-1:] and sentence in errors[0], result.stderr
    hub.refuse = {}
    assert deploy(hub, "demo", "ada/studio", *options).returncode == 0
    assert hub.spaces["ada/studio"].hardware == "t4-small" and "app.py" in hub.spaces["ada/studio"].files


def test_names_and_tokens(hub):
    assert "hf auth login" in deploy(hub, "demo", "ada/studio", token="hf_wrong").stderr
    assert "namespace bob" in deploy(hub, "demo", "bob/studio").stderr
    assert "OWNER/NAME" in deploy(hub, "demo", "ada/..").stderr
    assert "no such repository" in deploy(hub, "demo", "ada/studio", "--models", "ada/none").stderr
    hub.spaces["ada/blog"] = Space("gradio", False, "cpu-basic", files={"app.py": b"something else"})
    assert "is taken by another Space" in deploy(hub, "demo", "ada/blog").stderr
    assert hub.spaces["ada/blog"].files == {"app.py": b"something else"} and list(hub.spaces) == ["ada/blog"]


def test_no_hub_at_all_is_one_sentence(hub):
    result = deploy(hub, "demo", "ada/studio", HF_ENDPOINT="http://127.0.0.1:9")
    assert result.returncode == 2 and "run the same command again" in result.stderr
