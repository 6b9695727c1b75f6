"""`python spaces/deploy.py` with the real client, over HTTP, against a local Hub."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from PIL import Image

from tests.local_hub import LocalHub
from tests.local_hub.store import Space
from tests.toy_results import evaluated_run, toy_result

ROOT = Path(__file__).parents[2]
SETTINGS = ("POST /api/repos/create", "/commit/", "/hardware", "/sleeptime", "/variables", "/secrets", "/restart")


@pytest.fixture()
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "hub") as hub:
        yield hub


def deploy(
    hub: LocalHub, *words: str, token: str = "hf_local_ada", **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SPACE_"))}
    own = hub.environment(hub.folder / "client", token) | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, str(ROOT / "spaces" / "deploy.py"), *words]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env=kept | own | environment, timeout=120
    )
    assert "Traceback" not in result.stderr and token not in result.stdout + result.stderr, result.stderr
    return result


def published(hub: LocalHub, repo_id: str) -> dict[str, bytes]:
    return hub.files(repo_id, kind="spaces")


def commits(hub: LocalHub, repo_id: str) -> int:
    return len(hub.repositories[("spaces", repo_id)].commits)


def changes(hub: LocalHub) -> list[str]:
    """The calls that change something, without the files' own."""
    return [call for call in hub.calls("^POST ") if any(name in call for name in SETTINGS)]


def test_a_new_space_is_one_commit_on_zero_gpu(hub, tmp_path):
    result = deploy(hub, "demo", "ada/studio")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"{hub.endpoint}/spaces/ada/studio"
    repository, space = hub.repositories[("spaces", "ada/studio")], hub.space("ada/studio")
    assert (space.sdk, space.hardware, repository.private) == ("gradio", "zero-a10g", False)
    deploy(hub, "demo", "ada/studio", "--dry-run", str(tmp_path / "dry"))
    paths = [path for path in (tmp_path / "dry").rglob("*") if path.is_file()]
    dry = {path.relative_to(tmp_path / "dry").as_posix(): path.read_bytes() for path in paths}
    assert published(hub, "ada/studio") == dry | {".gitattributes": b""}
    assert changes(hub) == ["POST /api/repos/create", "POST /api/spaces/ada/studio/commit/main"]


@pytest.mark.parametrize(("app", "picture"), [("demo", "app.png"), ("dashboard", "dashboard.png")])
def test_the_card_has_a_thumbnail_that_the_hub_serves(hub, app, picture):
    assert deploy(hub, app, "ada/studio").returncode == 0
    card = published(hub, "ada/studio")["README.md"].decode()
    thumbnail = yaml.safe_load(card.split("---\n")[1])["thumbnail"]
    answer = httpx.get(thumbnail, follow_redirects=True)
    assert answer.status_code == 200 and answer.content == (ROOT / "checkpoints" / picture).read_bytes()
    assert f"]({hub.endpoint}/spaces/ada/studio?" in card and f"](checkpoints/{picture})" in card


def test_running_again_changes_nothing_and_keeps_the_settings(hub):
    options = ["--hardware", "t4-small", "--sleep", "600", "--private", "--models", "ada/cats"]
    hub.add("ada/cats", {}, private=True)
    assert deploy(hub, "dashboard", "ada/compare", *options, SPACE_HF_TOKEN="hf_read_only").returncode == 0
    repository, space = hub.repositories[("spaces", "ada/compare")], hub.space("ada/compare")
    assert (space.sdk, space.hardware, space.sleep, repository.private) == ("docker", "t4-small", 600, True)
    assert space.variables == {"AIGC_MODELS": "ada/cats"} and space.secrets == {"HF_TOKEN": "hf_read_only"}
    assert not [name for name, content in published(hub, "ada/compare").items() if b"hf_read_only" in content]
    settings = [f"POST /api/spaces/ada/compare/{name}" for name in ("variables", "secrets")]
    assert changes(hub) == ["POST /api/repos/create", *settings, "POST /api/spaces/ada/compare/commit/main"]
    assert deploy(hub, "dashboard", "ada/compare", *options).returncode == 2  # the private model needs its token
    hub.seen.clear()
    assert deploy(hub, "dashboard", "ada/compare", *options, SPACE_HF_TOKEN="hf_read_only").returncode == 0
    assert changes(hub) == settings and commits(hub, "ada/compare") == 2


def test_an_update_removes_what_is_gone_and_moves_the_hardware(hub):
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    hub.add("ada/studio", {"old.py": b"gone from the list"}, kind="spaces")
    hub.seen.clear()
    assert deploy(hub, "demo", "ada/studio", "--hardware", "l4x1", "--sleep", "300").returncode == 0
    assert changes(hub) == [f"POST /api/spaces/ada/studio/{name}" for name in ("commit/main", "hardware")]
    assert "old.py" not in published(hub, "ada/studio") and commits(hub, "ada/studio") == 4
    assert (hub.space("ada/studio").hardware, hub.space("ada/studio").sleep) == ("l4x1", 300)
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    assert hub.space("ada/studio").hardware == "l4x1"


def test_a_report_becomes_a_static_space(hub, tmp_path):
    """Without hardware, wait or build; of its owner's training images nothing is published, nor a folder's name."""
    run = evaluated_run(tmp_path / "secret" / "mine", [2.0, 3.0])
    picture = run / "step-0000001" / "eval" / f"{toy_result(2.0).protocol.id}-neighbours.png"
    Image.new("RGB", (8, 8)).save(picture)
    Image.new("RGB", (16, 16)).save(run / "step-0000001" / "samples.png")
    words = ["report", str(run), str(ROOT / "checkpoints" / "fashion-mnist"), "ada/report"]
    result = deploy(hub, *words)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"{hub.endpoint}/spaces/ada/report"
    files = published(hub, "ada/report")
    assert set(files) == {"README.md", "index.html", ".gitattributes"}
    page = files["index.html"].decode()
    embedded = [base64.b64encode(path.read_bytes()).decode() for path in (picture, run / "step-0000001/samples.png")]
    assert [content in page for content in embedded] == [False, True] and "secret" not in page
    assert page.count("alt='Nearest training images'") == 2  # those of the models that ship
    assert (hub.space("ada/report").sdk, hub.repositories[("spaces", "ada/report")].private) == ("static", False)
    assert changes(hub) == ["POST /api/repos/create", "POST /api/spaces/ada/report/commit/main"]
    assert not hub.calls("runtime")
    assert deploy(hub, *words).returncode == 0 and commits(hub, "ada/report") == 2
    unmeasured = tmp_path / "unmeasured"
    shutil.copytree(ROOT / "checkpoints" / "mnist-mlp", unmeasured, ignore=shutil.ignore_patterns("eval"))
    assert "evaluate CHECKPOINT" in deploy(hub, "report", str(unmeasured), "ada/none").stderr
    assert ("spaces", "ada/none") not in hub.repositories


def test_a_failed_build_shows_the_end_of_its_log_and_running_again_rebuilds(hub):
    hub.builds = ["BUILDING", "BUILD_ERROR"]
    result = deploy(hub, "demo", "ada/studio")
    assert result.returncode == 2 and "BUILD_ERROR" in result.stderr
    assert "line 49\n" in result.stderr and "line 30\n" in result.stderr and "line 29\n" not in result.stderr
    hub.builds = ["BUILDING", "RUNNING"]
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    assert hub.calls("POST /api/spaces/ada/studio/restart")


def test_the_build_of_an_update_is_awaited_though_the_old_one_still_runs(hub):
    assert deploy(hub, "demo", "ada/studio").returncode == 0
    hub.add("ada/studio", {"old.py": b"gone from the list"}, kind="spaces")
    hub.builds = ["RUNNING", "RUNNING", "RUNNING_BUILDING", "BUILD_ERROR"]
    assert "BUILD_ERROR" in deploy(hub, "demo", "ada/studio").stderr


def refusal(status: int, said: str) -> dict:
    return {"status": status, "headers": {"X-Error-Message": said}}


@pytest.mark.parametrize(
    ("call", "fault", "sentence"),
    [
        ("POST /api/repos/create", refusal(402, "Subscribe to PRO to host more ZeroGPU Spaces"), "more ZeroGPU Spaces"),
        ("POST /api/repos/create", refusal(403, "This hardware is not allowed"), "hardware is not allowed"),
        ("POST .*/commit/", refusal(500, "Internal error"), "again"),
        ("POST .*/hardware", refusal(403, "This hardware is not allowed"), "hardware is not allowed"),
        ("GET .*/runtime", refusal(429, "Too many requests"), "too many requests"),
        ("PUT /lfs/", refusal(403, "Request has expired"), "Request has expired"),
        ("POST .*/commit/", {"cut_after": 1000}, "try again to go on"),
    ],
)
def test_a_refusal_or_a_cut_is_one_sentence_and_running_again_continues(hub, call, fault, sentence):
    options = ["--hardware", "t4-small"]
    if "hardware" in call:
        assert deploy(hub, "demo", "ada/studio").returncode == 0
    with hub.fault(call, **fault):
        result = deploy(hub, "demo", "ada/studio", *options)
    assert result.returncode == 2, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == result.stderr.splitlines()[-1:] and sentence in errors[0], result.stderr
    hub.seen.clear()
    assert deploy(hub, "demo", "ada/studio", *options).returncode == 0
    assert hub.space("ada/studio").hardware == "t4-small" and "app.py" in published(hub, "ada/studio")


def test_what_was_uploaded_before_a_cut_is_not_uploaded_again(hub):
    with hub.fault("POST .*/commit/", cut_after=1000):
        assert deploy(hub, "demo", "ada/studio").returncode == 2
    assert hub.calls("PUT /lfs/")
    hub.seen.clear()
    with hub.fault("GET .*/runtime", cut_after=5, times=1):
        assert deploy(hub, "demo", "ada/studio").returncode == 2
    assert not hub.calls("PUT /lfs/") and commits(hub, "ada/studio") == 2
    assert deploy(hub, "demo", "ada/studio").returncode == 0 and commits(hub, "ada/studio") == 2


def test_names_and_tokens(hub):
    assert "hf auth login" in deploy(hub, "demo", "ada/studio", token="hf_wrong").stderr
    assert "namespace bob" in deploy(hub, "demo", "bob/studio").stderr
    assert "OWNER/NAME" in deploy(hub, "demo", "ada/..").stderr
    assert "ada/none" in deploy(hub, "demo", "ada/studio", "--models", "ada/none").stderr
    hub.add("ada/blog", {"app.py": b"something else"}, kind="spaces", space=Space(sdk="gradio"))
    assert "is taken by another Space" in deploy(hub, "demo", "ada/blog").stderr
    assert published(hub, "ada/blog") == {"app.py": b"something else", ".gitattributes": b""}
    assert list(hub.repositories) == [("spaces", "ada/blog")]


def test_no_hub_at_all_is_one_sentence(hub):
    result = deploy(hub, "demo", "ada/studio", HF_ENDPOINT="http://127.0.0.1:9")
    assert result.returncode == 2 and "the connection to the Hub failed" in result.stderr
