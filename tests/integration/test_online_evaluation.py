"""`train --evaluate-every N`: figures along a run, in its trackers and on the dashboard, and nothing else changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aigc_core.checkpoint.folder import step_folders
from aigc_core.checkpoint.layout import RESULTS_FOLDER, WEIGHTS_FILE
from aigc_core.cli import main
from aigc_core.evaluation.online import OnlineEvaluation
from aigc_core.evaluation.results import read_results
from tests.dashboard_pages import open_dashboard
from tests.small_runs import command

MEASURED = ("--evaluate-every", "24", "--evaluation-samples", "800")


def figures(run: Path) -> dict[int, list[float]]:
    """FID and both ends of its interval, by samples seen, as the checkpoints have them."""
    found = {}
    for step in step_folders(run):
        for result in read_results(step):
            fid = result.figures["fid"]
            found[result.samples_seen] = [fid.value, fid.low, fid.high]
    return found


def tracked(run: Path) -> dict[int, list[float]]:
    """The same as TensorBoard has them."""
    found: dict[int, list[float]] = {}
    for path in sorted((run / "training").glob("events*")):
        events = EventAccumulator(str(path))
        events.Reload()
        for name in ("fid", "fid_low", "fid_high"):
            for event in events.Scalars(name) if name in events.Tags()["scalars"] else ():
                found.setdefault(event.step, []).append(event.value)
    return found


def test_a_run_is_measured_while_it_trains(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, plain = tmp_path / "run", tmp_path / "plain"

    def train(out: Path, *more: str) -> int:
        return main(command(digits_folder, out, 64, "--set=checkpoint_samples=1000000", *more)[3:])

    assert train(run, *MEASURED) == 0 and train(plain) == 0
    told = capsys.readouterr().err
    assert told.count("in which nothing was trained") == 3
    assert list(figures(run)) == [24, 48, 64]
    assert tracked(run) == {seen: pytest.approx(values, rel=1e-5) for seen, values in figures(run).items()}
    assert all(low <= value <= high for value, low, high in figures(run).values())
    weights = [(step_folders(each)[-1] / WEIGHTS_FILE).read_bytes() for each in (run, plain)]
    assert weights[0] == weights[1]
    page = open_dashboard("training", add=[str(run)])
    model = page.selectbox(key="model")
    model.set_value(next(option for option in model.options if option.startswith("run · "))).run()
    assert page.select_slider(key="revision").options == [step.name for step in step_folders(run)]
    assert len(page.get("plotly_chart")) >= 1 and not page.exception


def test_it_goes_on_with_what_it_had_not_measured(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = command(digits_folder, run, 24, "--set=checkpoint_samples=1000000", *MEASURED)[3:]
    assert main(words) == 0
    (newest,) = step_folders(run)
    shutil.rmtree(newest / RESULTS_FOLDER)  # as after an interrupt while it was measured
    assert OnlineEvaluation(800)(newest, lambda: True) == {} and not figures(run)
    assert main(["train", "--out", str(run), "--resume", "--samples", "48", *MEASURED]) == 0
    assert list(figures(run)) == [24, 48]


def test_what_cannot_be_measured_stops_no_training(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(digits_folder, tmp_path / "run", 16, "--evaluate-every", "8", "--evaluation-samples", "0")[3:]
    assert main(words) == 2
    assert "--evaluation-samples takes a number from 1 on" in capsys.readouterr().err
    words[-1] = "64"
    assert main(words) == 0
    assert "FID was not measured; it needs at least 768 samples." in capsys.readouterr().err
