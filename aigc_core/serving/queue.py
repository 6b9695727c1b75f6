"""Evaluations in processes of their own: one at a time on each GPU, or on the machine, in a queue that all can see.

A job is the command `python -m aigc_core evaluate … --progress json`: it prints its progress, and its result is stored
with the checkpoint.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal

import torch
from pydantic import ValidationError

from aigc_core.access import check_reference
from aigc_core.errors import AIGCError, Sentence
from aigc_core.evaluation.progress import Progress
from aigc_core.evaluation.results import NOT_KEPT
from aigc_core.translation import environment_language, translate

MAX_OPEN = 20
MAX_SHOWN = 100
MAX_LOG_BYTES = 65536

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """One evaluation, against DATASET:SPLIT and with an extractor; if these are empty, those of the training data.

    `owner`: a name, not a secret, for the visitor who asked for it; None if nobody signed in. `progress`: the last
    progress that the process printed. `message`: the sentence that it failed with.
    """

    reference: str
    num_samples: int
    against: str = ""
    extractor: str = ""
    owner: str | None = None
    state: Literal["waiting", "running", "done", "failed", "cancelled"] = "waiting"
    progress: Progress = Progress(stage="reference", share=0)
    message: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def asks(self) -> tuple[object, ...]:
        """What it asks for, and who."""
        return self.reference, self.num_samples, self.against, self.extractor, self.owner

    @property
    def open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")


class EvaluationQueue:
    """Jobs in the order they were added; they end with the process that made the queue."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self._tokens: dict[Job, str] = {}
        self._changed = threading.Condition()
        atexit.register(self._stop)
        for device in range(max(1, torch.cuda.device_count())):
            threading.Thread(target=self._work, args=(device,), daemon=True).start()

    def add(self, job: Job, token: str | None = None) -> None:
        """Queue a job. Raises AIGCError if its checkpoint may not be opened, or the queue is full or has the job.

        `token`: for the Hub; it is kept until the job's process has it or the job is cancelled.
        """
        check_reference(job.reference)
        if job.reference.startswith("-"):
            raise AIGCError("'{reference}' is not the name of a checkpoint.", reference=job.reference)
        with self._changed:
            waiting = [other for other in self.jobs if other.open]
            if any(other.asks == job.asks for other in waiting):
                raise AIGCError("'{reference}' is in the queue already.", reference=job.reference)
            if len(waiting) >= MAX_OPEN:
                raise AIGCError("The queue is full ({limit} evaluations); try again later.", limit=MAX_OPEN)
            self.jobs = [*self.jobs[-MAX_SHOWN:], job]
            if token is not None:
                self._tokens[job] = token
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Cancel a job; features that it has cached stay. Does nothing if the job has ended."""
        with self._changed:
            if job.open:
                job.state = "cancelled"
                self._tokens.pop(job, None)
                if job.process:
                    job.process.terminate()

    def _work(self, device: int) -> None:
        while True:
            with self._changed:
                job = next((job for job in self.jobs if job.state == "waiting"), None)
                if job is None:
                    self._changed.wait()
                    continue
                job.state = "running"
                try:
                    log = TemporaryFile()  # noqa: SIM115  (closed where it has been read)
                    job.process = _start(job, device, log, self._tokens.pop(job, None))
                except OSError as error:
                    self._tokens.pop(job, None)
                    job.state = "failed"
                    job.message = Sentence("The evaluation could not be started ({reason}).", reason=error.strerror)
                    continue
            with log:
                sentence = _follow(job, job.process, log)
            with self._changed:
                if job.state == "running":
                    job.state = "failed" if sentence else "done"
                    job.message = sentence

    def _stop(self) -> None:
        for job in self.jobs:
            self.cancel(job)


def _start(job: Job, device: int, log: IO[bytes], token: str | None) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    if torch.cuda.device_count() > 1:
        environment["CUDA_VISIBLE_DEVICES"] = str(device)
    if token is not None:
        environment["HF_TOKEN"] = token
    options = {"--num-samples": job.num_samples, "--reference": job.against, "--extractor": job.extractor}
    root = Path(__file__).parents[2]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), environment.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "aigc_core", "evaluate", job.reference, "--json", "--progress=json"]
        + [f"{name}={value}" for name, value in options.items() if value],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
    )


def _follow(job: Job, process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Read the progress until the process ends; returns the sentence it failed or lost its result with."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            try:
                job.progress = Progress.model_validate_json(line)
            except ValidationError:
                continue  # the result
    process.wait()
    log.seek(max(0, log.seek(0, os.SEEK_END) - MAX_LOG_BYTES))
    text = log.read().decode(errors="replace")
    if not process.returncode:
        beginning = translate(NOT_KEPT, environment_language(), error="")  # the process has the same environment
        lost = re.search(rf"^warning: ({re.escape(beginning)}.*)", text, re.MULTILINE)
        return lost.group(1) if lost else ""
    sentences = [line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error: ")]
    if not sentences and job.state == "running":
        logger.error("The evaluation of '%s' broke off:\n%s", job.reference, text)
    return sentences[-1] if sentences else Sentence("The evaluation broke off; see the server's log.")
