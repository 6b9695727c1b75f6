"""Trainings in processes of their own: started, watched, paused, gone on with and stopped, as the app does."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aigc_core import AIGCError
from aigc_core.access import is_for_one
from aigc_core.checkpoint.folder import read_config, step_folders
from aigc_core.serving.runs import Plan, RunStarter, State, free_name, known_runs
from tests.processes import ROOT, run_cli


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStarter]:
    """What starts runs in an empty folder; those that go on at the end of a test are ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIGC_PLUGINS", "tests.quick_presets")
    starter = RunStarter()
    yield starter
    for process in starter._processes.values():
        process.kill()
        process.wait()


def wait_for(happened: Callable[[], object], what: str) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def test_a_run_is_paused_goes_on_is_stopped_and_is_known_to_others(starter: RunStarter, digits_folder: Path) -> None:
    plan = Plan("quick", str(digits_folder), 600, "digits")
    starter.start(plan)
    assert starter.status(plan.folder).state == State.STARTING
    wait_for(lambda: len(starter.status(plan.folder).timeline.previews) > 1, "no second picture")
    status = starter.status(plan.folder)
    assert status.state == State.TRAINING and status.is_running and known_runs() == [plan.folder]
    wait_for(lambda: starter.status(plan.folder).rate and starter.status(plan.folder).left_seconds, "no speed")
    assert starter.status(plan.folder).timeline.measurements[-1].values["generator_loss"] > 0
    with pytest.raises(AIGCError, match="There is a run 'digits' already"):
        starter.start(plan)
    other = RunStarter()  # such as after the app was started again
    assert other.status(plan.folder).state == State.TRAINING
    other.stop(plan.folder)
    assert other.status(plan.folder).state in (State.STOPPING, State.PAUSED)
    wait_for(lambda: not starter.status(plan.folder).is_running, "it goes on")
    assert starter.status(plan.folder).state == State.PAUSED
    seen = read_config(step_folders(plan.folder)[-1]).samples_seen
    starter.go_on(plan.folder)
    wait_for(lambda: starter.status(plan.folder).timeline.measurements[-1].samples_seen > seen, "nothing new")
    starter.stop(plan.folder, for_good=True)
    wait_for(lambda: not starter.status(plan.folder).is_running, "it goes on")
    assert starter.status(plan.folder).state == State.STOPPED


def test_the_command_that_is_shown_makes_the_same_run(starter: RunStarter, digits_folder: Path) -> None:
    plan = Plan("quick", str(digits_folder), 0.2, "my-digits")
    words = shlex.split(plan.command)
    assert words[:3] == ["python", "-m", "aigc_core"]
    done = run_cli(*words[3:], cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert starter.status(plan.folder).state == State.FINISHED
    typed = read_config(step_folders(plan.folder)[-1]).recipe
    shutil.rmtree(plan.folder)
    starter.start(plan)
    wait_for(lambda: not starter.status(plan.folder).is_running, "it goes on")
    assert starter.status(plan.folder).state == State.FINISHED
    assert read_config(step_folders(plan.folder)[-1]).recipe == typed


def test_a_run_that_cannot_begin_says_why(starter: RunStarter, tmp_path: Path) -> None:
    plan = Plan("quick", str(tmp_path / "nothing"), 60, "lost")
    starter.start(plan, "zh")
    wait_for(lambda: not starter.status(plan.folder).is_running, "it goes on")
    status = starter.status(plan.folder)
    assert status.state == State.FAILED and "没有数据集或文件夹" in status.error, status.error
    starter.start(plan)  # what failed has left nothing that must be kept
    wait_for(lambda: not starter.status(plan.folder).is_running, "it goes on")
    assert "There is no data set or folder" in starter.status(plan.folder).error
    command = json.loads((plan.folder / "timeline" / "command.json").read_text())
    assert command[:3] == ["train", "--preset", "quick"]


def test_names_of_runs(starter: RunStarter, tmp_path: Path) -> None:
    assert free_name("my pictures/cats") == "my-pictures-cats"
    (tmp_path / "runs" / "mnist").mkdir(parents=True)
    assert free_name("mnist") == "mnist-2"
    for name in ("../elsewhere", "", ".hidden", "a/b"):
        with pytest.raises(AIGCError, match="is no name of a run"):
            starter.start(Plan("quick", str(ROOT), 60, name))


@pytest.mark.parametrize(
    ("host", "alone"), [("127.0.0.1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False), ("::", False)]
)
def test_strangers_are_told_from_who_sits_here(host: str, alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_for_one(host) == alone
    monkeypatch.setenv("SPACE_ID", "ada/studio")
    assert not is_for_one(host)
