"""The queue of evaluations: real processes, one at a time, which report, fail with a sentence, and can be ended."""

import gc
import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc_core import AIGCError
from aigc_core.cli import main
from aigc_core.evaluation.results import read_results
from aigc_core.hub.push import push
from aigc_core.serving.queue import MAX_OPEN, EvaluationQueue, Job
from aigc_core.serving.sources import SourceReader
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluationQueue:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    return EvaluationQueue()


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.05)


def remembered(value: object) -> str:
    """Everything that a queue, a reader or a job keeps, as text."""
    known, left = {}, [value]
    while left:
        value = left.pop()
        if id(value) not in known:
            known[id(value)] = value
            left += gc.get_referents(value) if isinstance(value, (dict, list, tuple, set)) else []
            left += (
                vars(value).values()
                if isinstance(value, (EvaluationQueue, SourceReader, Job, subprocess.Popen))
                else []
            )
    return " ".join(map(repr, known.values()))


def test_an_evaluation_reports_and_leaves_its_result(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path
) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    job = Job(str(folder), 300, str(digits_folder), "mnist-classifier")
    queue.add(job)
    wait_until(lambda: not job.open)
    assert (job.state, job.message) == ("done", "")
    assert (job.progress.stage, job.progress.share) == ("figures", 1.0)
    assert [result.protocol.num_samples for result in read_results(folder)] == [300]


def test_a_result_that_cannot_be_written_is_a_failure_in_any_language(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    (folder / "eval").write_text("in the way")
    job = Job(str(folder), 50, str(digits_folder), "mnist-classifier")
    queue.add(job)
    wait_until(lambda: not job.open)
    assert job.state == "failed" and job.message.startswith("结果未能保存：")


def test_the_command_says_how_far_it_is(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    words = ["evaluate", str(folder), "--reference", str(digits_folder), "--extractor", "mnist-classifier"]
    assert main([*words, "--num-samples", "2500", "--metrics", "fid", "--progress", "json", "--json"]) == 0
    *lines, result = map(json.loads, capfd.readouterr().out.splitlines())
    assert [line["stage"] for line in lines] == ["reference", "samples", "samples", "samples", "figures", "figures"]
    assert [line["share"] for line in lines] == [0, 0, 0.4, 0.8, 1, 1] and lines[5]["figure"] == "FID"
    assert [line["eta_seconds"] is None for line in lines] == [True, True, False, False, False, True]
    assert lines[2]["eta_seconds"] > lines[4]["eta_seconds"] == 0
    assert result["protocol"]["num_samples"] == 2500


def test_a_job_runs_with_the_rights_of_its_owner_and_keeps_no_token(
    queue: EvaluationQueue,
    digits_folder: Path,
    tmp_path: Path,
    local_hub: LocalHub,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    push(toy_checkpoint().save_pretrained(tmp_path / "toy"), "ada/secret", private=True)
    monkeypatch.delenv("HF_TOKEN")
    for owner, outcome in (("ada", "done"), ("bob", "failed"), (None, "failed")):
        job = Job("ada/secret", 300, str(digits_folder), "mnist-classifier", owner)
        queue.add(job, f"hf_local_{owner}" if owner else None)
        wait_until(lambda job=job: not job.open)
        assert (job.state, job.owner) == (outcome, owner)
        assert outcome == "done" or "is not on the Hub, or is private" in job.message
        assert "hf_local" not in remembered(queue) + remembered(job) + caplog.text


def test_a_token_is_forgotten_as_soon_as_its_process_has_it_or_its_job_has_ended(
    queue: EvaluationQueue, digits_folder: Path, tmp_path: Path
) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    first, second = (Job(str(folder), count, str(digits_folder), "mnist-classifier") for count in (10**6, 10**6 - 1))
    queue.add(first, "hf_first")
    queue.add(second, "hf_second")
    with pytest.raises(AIGCError, match="already"):
        queue.add(Job(*second.asks), "hf_third")
    wait_until(lambda: first.process is not None)
    assert set(re.findall("hf_[a-z]+", remembered(queue))) == {"hf_second"}
    assert "hf_" not in remembered(first) + remembered(second) + repr(queue.jobs)
    queue.cancel(second)
    assert "hf_" not in remembered(queue)
    queue.cancel(first)


def test_what_was_read_with_a_token_is_kept_for_its_bearer_alone_and_without_it(
    tmp_path: Path, local_hub: LocalHub
) -> None:
    push(toy_checkpoint().save_pretrained(tmp_path / "toy"), "ada/secret", private=True)
    reader = SourceReader()

    def problems(token: str) -> list[str]:
        while (entries := reader.read(["ada/secret"], token)["ada/secret"]) is None:
            pass
        return [entry.problem for entry in entries]

    assert problems("hf_local_ada") == [""] == problems("hf_local_ada")
    assert "is not on the Hub, or is private" in problems("hf_local_bob")[0]
    assert len(local_hub.calls("/refs")) == 2 and "hf_local" not in remembered(reader)


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
