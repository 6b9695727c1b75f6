"""What a run leaves of its course: pictures of the same seeds and measurements, soon and at growing intervals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aigc_core import Checkpoint
from aigc_core.checkpoint.folder import step_folders
from aigc_core.cli import main
from aigc_core.modalities.png import read_png
from aigc_core.pipeline import train
from aigc_core.training import moments
from aigc_core.training.moments import Moments
from aigc_core.training.timeline import Measurement, TimelineWriter, read_timeline
from tests.small_runs import config


def moments_of(hours: float, step: float, cost: float = 0.5) -> tuple[list[float], list[float]]:
    """When a run of steps of so many seconds saves, and which of these stay."""
    plan, seconds, saved, kept = Moments(0.0), 0.0, [], []
    while seconds < hours * 3600:
        seconds += step
        if plan.due(seconds):
            saved.append(seconds)
            if plan.is_kept(seconds):
                kept.append(seconds)
            plan.saved(seconds, cost, kept=seconds in kept)
    return saved, kept


def test_moments_come_soon_then_at_growing_intervals() -> None:
    saved, kept = moments_of(24, 0.5)
    assert saved[0] < 20 and sum(each < 120 for each in saved) >= 3
    intervals = [later - earlier for earlier, later in zip(saved, saved[1:])]
    assert intervals == sorted(intervals) and max(intervals) <= 1801
    assert len(saved) < 100 and 10 < len(kept) < 15 and all(b >= 2 * a for a, b in zip(kept, kept[1:]))
    slow, _ = moments_of(1, 10, cost=30)
    assert slow[0] < 120 and 30 * len(slow) <= 0.1 * 3600, "saving takes a small share of the time"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step is a moment, and a run of a second goes through the moments of an hour."""
    monkeypatch.setattr(moments, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(moments, "COST_SHARE", 1e9)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("interval", [None, 400])
def test_pictures_stay_and_weights_thin_out(interval: int | None, digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    newest = train(config(digits_folder, samples=1600, checkpoint_samples=interval), run, trackers=())
    saved = step_folders(run)
    pictures = read_timeline(run).previews
    assert len(pictures) > len(saved) > 2 and saved[-1] == newest
    seen = [Checkpoint.from_pretrained(folder).config for folder in saved]
    if interval:
        assert [made.samples_seen for made in seen] == [400, 800, 1200, 1600]
    else:
        times = [made.training_seconds for made in seen[:-1]]
        assert all(later >= 2 * earlier for earlier, later in zip(times, times[1:]))
    for folder in saved:
        assert (run / "timeline" / f"{folder.name}.png").read_bytes() == (folder / "samples.png").read_bytes()
    requests = {read_png(picture)[1].request for picture in pictures}
    assert len(requests) == 1, "not the same seeds"
    assert (newest / "training_state").is_dir() and not (saved[0] / "training_state").exists()


@pytest.mark.usefixtures("hurried")
def test_what_was_evaluated_and_what_a_run_ended_with_stays(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = train(config(digits_folder, seconds=0.3, checkpoint_samples=None), run, trackers=())
    assert train(config(digits_folder, seconds=0.6, checkpoint_samples=None), run, resume=True, trackers=()) != ended
    assert ended in step_folders(run)


def test_measurements_are_those_of_the_run_as_it_went_on(tmp_path: Path) -> None:
    """Killed and resumed from an earlier step, it takes those steps anew."""

    def measured(step: int, **more: object) -> Measurement:
        values = {"step": step, "samples_seen": 8 * step, "seconds": 2.0 * step, "progress": step / 100, **more}
        return Measurement.model_validate(values)

    picture = tmp_path / "samples.png"
    picture.write_bytes(b"picture")
    writer = TimelineWriter(tmp_path, 0)
    for step in (10, 20, 30):
        writer.measure(measured(step, values={"loss": 1.0}))
        checkpoint = tmp_path / f"step-{step:07d}"
        checkpoint.mkdir()
        shutil.copy(picture, checkpoint)
        writer.keep_preview(checkpoint, "samples.png")
    with (tmp_path / "timeline" / "measurements.jsonl").open("a") as file:
        file.write(measured(35).model_dump_json().replace("280", "9" * 30) + "\n")  # more than a table can hold
        file.write('{"step": 40, "samp')  # as the process was killed
    assert [each.step for each in read_timeline(tmp_path).measurements] == [10, 20, 30]
    writer = TimelineWriter(tmp_path, 20)
    writer.measure(measured(25, values={"loss": 2.0}))
    writer.measure(measured(26, seconds=50.1, warning="something is wrong."))
    writer.measure(measured(27, seconds=50.2, warning="something is wrong."))
    timeline = read_timeline(tmp_path)
    assert [each.step for each in timeline.measurements] == [10, 20, 25, 26]
    assert timeline.measurements[-1].warning == "something is wrong."
    assert [path.name for path in timeline.previews] == ["step-0000010.png", "step-0000020.png"]


def test_losses_and_scores_are_measured_while_a_run_goes_on(digits_folder: Path, tmp_path: Path) -> None:
    train(config(digits_folder, samples=8 * 120), tmp_path / "run", trackers=())
    measured = read_timeline(tmp_path / "run").measurements
    assert measured and measured[0].step <= 50 and 0 < measured[0].progress < 1
    assert {"generator_loss", "discriminator_loss", "real_logits", "fake_logits"} <= measured[0].values.keys()


@pytest.mark.usefixtures("hurried")
def test_texts_have_a_timeline_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.txt").write_text("All that is gold does not glitter, not all those who wander are lost.\n" * 40)
    words = ["architecture_config={depth: 1, width: 16, heads: 2}", "shape={tokenizer: bytes, length: 16}"]
    settings = [f"--set={word}" for word in words]
    start = ["train", "--preset", "text", "--data", str(tmp_path / "texts.txt"), "--out", str(tmp_path / "run")]
    assert main([*start, *settings, "--seconds", "0.5", "--set=batch_size=4"]) == 0
    timeline = read_timeline(tmp_path / "run")
    assert len(timeline.previews) > 1 and all(path.suffix == ".txt" for path in timeline.previews)
