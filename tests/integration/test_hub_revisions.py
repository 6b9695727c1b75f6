"""Reading the revisions of a repository: one request once they are in the cache, and only what has changed."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.folder import read_config
from aigc_core.checkpoint.layout import CONFIG_FILE, SAMPLES_FILE, WEIGHTS_FILE
from aigc_core.evaluation.results import read_results
from aigc_core.hub.client import PARALLEL_REQUESTS
from aigc_core.hub.pull import pull
from aigc_core.hub.revisions import read_revisions
from aigc_core.serving.leaderboard import collect
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint
from tests.toy_results import toy_result


def add_steps(hub: LocalHub, folder: Path, count: int, repo_id: str = "ada/run") -> None:
    """A repository of `count` evaluated steps, put into the Hub directly."""
    toy_checkpoint().save_pretrained(folder)
    config = json.loads((folder / CONFIG_FILE).read_text())
    files = {WEIGHTS_FILE: (folder / WEIGHTS_FILE).read_bytes(), SAMPLES_FILE: b"\x89PNG"}
    hub.add(repo_id, files)
    for step in range(1, count + 1):
        changes = {CONFIG_FILE: json.dumps(config | {"step": step}), "eval/a.json": toy_result(step).model_dump_json()}
        hub.add(repo_id, {name: text.encode() for name, text in changes.items()}, branch=f"step-{step:07d}")
    hub.add(repo_id, {CONFIG_FILE: json.dumps(config).encode()})


def test_revisions_come_with_config_and_results_and_without_weights(local_hub: LocalHub, tmp_path: Path) -> None:
    add_steps(local_hub, tmp_path / "toy", 3)
    revisions = {revision.name: revision for revision in read_revisions("ada/run")}
    assert sorted(revisions) == ["main", "step-0000001", "step-0000002", "step-0000003"]
    folder = revisions["step-0000002"].folder
    assert folder is not None and read_config(folder).step == 2
    assert [found.figures["fid"].value for found in read_results(folder)] == [2.0]
    assert not local_hub.calls(f"{WEIGHTS_FILE}|{SAMPLES_FILE}|README")


def test_the_second_time_is_one_request_and_a_new_step_costs_only_its_own(local_hub: LocalHub, tmp_path: Path) -> None:
    add_steps(local_hub, tmp_path / "toy", 5)
    first = read_revisions("ada/run")
    local_hub.seen.clear()
    assert read_revisions("ada/run") == first
    assert local_hub.calls() == ["GET /api/models/ada/run/refs"]
    changed = local_hub.add("ada/run", {"eval/b.json": b"{}"}, branch="step-0000003").branches["step-0000003"]
    local_hub.seen.clear()
    read_revisions("ada/run")
    assert local_hub.calls()[0] == "GET /api/models/ada/run/refs"
    assert all(changed in call for call in local_hub.calls()[1:])
    # The config has not changed: its content is in the cache already.
    assert len(local_hub.calls("^GET .*/resolve/")) == 1


def test_what_reading_revisions_has_fetched_makes_no_checkpoint(local_hub: LocalHub, tmp_path: Path) -> None:
    """The weights come with the first pull, and afterwards the commit costs no request."""
    add_steps(local_hub, tmp_path / "toy", 1)
    commit = read_revisions("ada/run")[-1].commit
    assert Checkpoint.from_pretrained("ada/run@step-0000001").config.step == 1
    local_hub.seen.clear()
    assert (pull("ada/run", commit) / WEIGHTS_FILE).is_file() and not local_hub.calls()


def test_a_broken_revision_says_so_and_hides_no_other(local_hub: LocalHub, tmp_path: Path) -> None:
    add_steps(local_hub, tmp_path / "toy", 3)
    repository = local_hub.repositories[("models", "ada/run")]
    repository.branches["an-empty-one"] = next(iter(repository.commits))
    with local_hub.fault("GET .*/resolve/.*/config.json", damaged=True, times=1):
        broken = [revision.problem for revision in read_revisions("ada/run") if revision.folder is None]
    assert len(broken) == 2 and "it has no config.json" in broken[0] and "its hash is wrong" in broken[1]
    assert [revision.name for revision in read_revisions("ada/run") if revision.problem] == ["an-empty-one"]


def test_without_the_hub_what_is_known_is_shown(
    local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_steps(local_hub, tmp_path / "toy", 30)
    with local_hub.fault("/revision/", status=500):
        problems = [revision.problem for revision in read_revisions("ada/run")]
    assert len(problems) == 31 and all("try again later" in problem for problem in problems)
    assert len(local_hub.calls("/revision/")) == 1  # the rest is not even tried
    online = read_revisions("ada/run")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    local_hub.seen.clear()
    assert read_revisions("ada/run") == online and not local_hub.calls()
    with pytest.raises(AIGCError, match="HF_HUB_OFFLINE"):
        read_revisions("ada/run", token="hf_local_bob")
    monkeypatch.setenv("SPACE_ID", "ada/dashboard")
    with pytest.raises(AIGCError, match="HF_HUB_OFFLINE"):
        read_revisions("ada/run")


def test_all_readings_share_a_bounded_number_of_requests(local_hub: LocalHub, tmp_path: Path) -> None:
    for name in "abcd":
        add_steps(local_hub, tmp_path / "toy", 10, f"ada/{name}")
        local_hub.add(f"ada/{name}", {"README.md": b"---\ntags:\n- aigc-studio\n---\n"})
    with local_hub.fault("/revision/", silent=0.2):
        entries = collect(["ada"])
    assert len(entries) == 44 and not [entry.problem for entry in entries if entry.problem]
    assert local_hub.gate.most_open <= PARALLEL_REQUESTS


def test_a_repository_that_does_not_answer_holds_up_no_other(local_hub: LocalHub, tmp_path: Path) -> None:
    add_steps(local_hub, tmp_path / "toy", 30, "ada/silent")
    add_steps(local_hub, tmp_path / "toy", 3)
    read: list[str] = []

    def read_silent() -> None:
        read_revisions("ada/silent")
        read.append("ada/silent")

    with local_hub.fault("GET /api/models/ada/silent/revision/", silent=50, status=500):
        silent = [threading.Thread(target=read_silent) for _ in range(2)]
        for thread in silent:
            thread.start()
        while len(local_hub.calls("GET /api/models/ada/silent/revision/")) < 2:
            threading.Event().wait(0.01)
        assert all(revision.folder for revision in read_revisions("ada/run"))
        read.append("ada/run")
    for thread in silent:
        thread.join()
    assert read == ["ada/run", "ada/silent", "ada/silent"]
