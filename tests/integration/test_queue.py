"""The queue of evaluations: real processes, one at a time, which report, fail with a sentence, and can be ended."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc_core import AIGCError
from aigc_core.evaluation.results import read_results
from aigc_core.serving.queue import MAX_OPEN, EvaluationQueue, Job
from tests.toy_models import toy_checkpoint


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluationQueue:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    return EvaluationQueue()


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.05)


def test_an_evaluation_reports_and_leaves_its_result(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path
) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    job = Job(str(folder), 300, str(digits_folder), "mnist-classifier")
    queue.add(job)
    wait_until(lambda: not job.open)
    assert (job.state, job.message, job.progress) == ("done", "", 1.0)
    assert [result.protocol.num_samples for result in read_results(folder)] == [300]


def test_a_fault_of_the_user_is_its_sentence(queue: EvaluationQueue, tmp_path: Path) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    job = Job(str(folder), 300, "nowhere", "mnist-classifier")
    queue.add(job)
    wait_until(lambda: not job.open)
    assert job.state == "failed" and "There is no data set or folder 'nowhere'" in job.message
    assert "\n" not in job.message


def test_one_at_a_time_and_cancelled_ones_make_room(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path
) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")

    def add(count: int) -> Job:
        job = Job(str(folder), count, str(digits_folder), "mnist-classifier")
        queue.add(job)
        return job

    first, second, third = add(1_000_000), add(999_999), add(999_998)
    wait_until(lambda: first.state == "running" and first.process is not None)
    queue.cancel(second)
    assert [job.state for job in queue.jobs] == ["running", "cancelled", "waiting"]
    assert first.process is not None and first.process.poll() is None
    queue.cancel(first)
    wait_until(lambda: third.state == "running")
    assert first.process.poll() is not None and second.process is None
    queue.cancel(third)
    assert not read_results(folder)


def test_the_queue_is_bounded_and_holds_nothing_twice(queue: EvaluationQueue, tmp_path: Path) -> None:
    for number in range(MAX_OPEN):
        queue.add(Job(f"ada/model-{number}", 1_000_000))
    with pytest.raises(AIGCError, match="full"):
        queue.add(Job("ada/one-more", 1000))
    with pytest.raises(AIGCError, match="already"):
        queue.add(Job(f"ada/model-{MAX_OPEN - 1}", 1_000_000))
    with pytest.raises(AIGCError, match="not the name"):
        queue.add(Job("--help", 1000))
    for job in queue.jobs:
        queue.cancel(job)


def test_strangers_may_name_no_folder(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    monkeypatch.setenv("SPACE_ID", "ada/space")
    with pytest.raises(AIGCError, match="cannot be opened here"):
        queue.add(Job(str(folder), 300))
    shipped = Path(__file__).parents[2] / "checkpoints" / "mnist"
    job = Job(str(shipped), 300, str(digits_folder), "mnist-classifier")
    queue.add(job)
    wait_until(lambda: not job.open)
    assert job.state == "failed" and "cannot be read here" in job.message
