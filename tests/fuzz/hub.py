"""Answers of the Hub that are not what they should be: other JSON, other sizes, cut short, led in circles."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx2
import pytest

from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE
from aigc_core.evaluation.results import write_result
from aigc_core.hub.listing import list_checkpoints
from aigc_core.hub.pull import pull
from aigc_core.hub.revisions import list_revisions, read_revisions
from aigc_core.pipeline import Checkpoint
from aigc_core.serving.leaderboard import collect
from tests.local_hub import LocalHub
from tests.local_hub.client import connect_client
from tests.toy_models import toy_checkpoint
from tests.toy_results import toy_result

from .mutations import EDGES, mutate_bytes, mutate_json, mutate_text
from .target import Target, try_each

REPOSITORY = "bob/toy"
_sleep = time.sleep
HEADERS = (
    "ETag",
    "X-Repo-Commit",
    "X-Linked-ETag",
    "X-Linked-Size",
    "Content-Length",
    "Content-Type",
    "Link",
    "Location",
)


class HubAnswers(Target):
    """An input is a JSON object that tells one fault of `tests.local_hub.faults.Fault`."""

    short = 20

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.hub = LocalHub(scratch / "hub").__enter__()
        self.cache = scratch / "cache"
        self.patch = pytest.MonkeyPatch()
        connect_client(self.hub, self.cache, self.patch)
        self.patch.setattr("time.sleep", lambda seconds: _sleep(min(seconds, 0.01)))
        for name in ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"):
            self.patch.setattr(f"huggingface_hub.constants.{name}", 2)
        self.patch.setattr("aigc_core.hub.client.TIMEOUT", 2)
        folder = toy_checkpoint("mlp").save_pretrained(scratch / "toy")
        result = write_result(toy_result(3.0), folder)
        files = [CONFIG_FILE, WEIGHTS_FILE, str(result.relative_to(folder))]
        self.hub.add(REPOSITORY, {name: (folder / name).read_bytes() for name in files})
        self.hub.add(REPOSITORY, {"samples.png": b"x"}, branch="step-0000001")
        self._ask_all()
        self.answers = {
            call: httpx2.get(self.hub.endpoint + call.removeprefix("GET "), follow_redirects=True).content
            for call in dict.fromkeys(self.hub.calls("^GET"))
        }

    def close(self) -> None:
        self.patch.undo()
        self.hub.__exit__()

    def inputs(self, seed: int) -> Iterator[bytes]:
        random = Random(seed)
        yield json.dumps({"pattern": "^nothing$"}).encode()
        while True:
            call = random.choice([*self.answers])
            pattern = re.escape(call) if random.random() < 0.6 else re.escape(call.partition("?")[0])
            path, body = call.removeprefix("GET "), self.answers[call]
            fault: dict[str, object] = {"pattern": pattern}
            match random.randrange(8):
                case 0:
                    fault |= {"status": random.choice((301, 302, 307, 308))}
                    fault["headers"] = {"Location": random.choice((path, "//", "http://[", mutate_text(random, path)))}
                    fault["headers"] = {"Location": _header(fault["headers"]["Location"])}
                case 1:
                    fault |= {"cut_after": random.randrange(len(body) + 1)}
                case 2:
                    fault |= {"damaged": True}
                case 3:
                    fault |= {
                        "status": random.choice((204, 206, 300, 304, 400, 401, 402, 403, 404, 409, 410, 418, 451))
                    }
                    fault["headers"] = {"X-Error-Message": _header(mutate_text(random, "a reason"))}
                    fault["headers"]["X-Error-Code"] = random.choice(("", "RepoNotFound", "GatedRepo", "EntryNotFound"))
                case 4:
                    value = str(random.choice((*EDGES, -1, "x", "", "0" * 40, mutate_text(random, path))))
                    fault |= {"added": {random.choice(HEADERS): _header(value)}}
                case _:
                    is_json = body[:1] in (b"{", b"[")
                    changed = mutate_json(random, json.loads(body)) if is_json else mutate_bytes(random, body)
                    fault |= {"body": changed.decode("latin-1")}
            yield json.dumps(fault).encode()

    def attempt(self, data: bytes) -> str:
        with self.hub.fault(**json.loads(data)):
            return self._ask_all()

    def _ask_all(self) -> str:
        """Everything that asks the Hub, each with an empty cache."""

        def afresh(call):
            shutil.rmtree(self.cache, ignore_errors=True)
            return call()

        def read() -> None:
            for revision in read_revisions(REPOSITORY):
                assert (revision.folder is None) == bool(revision.problem)
                assert len(revision.problem.splitlines()) <= 1, revision.problem

        def collected() -> None:
            for entry in collect([REPOSITORY, "bob", f"{REPOSITORY}@step-0000001"]):
                assert len(entry.problem.splitlines()) <= 1, entry.problem

        return try_each(
            pull=lambda: afresh(lambda: Checkpoint.from_pretrained(pull(REPOSITORY))),
            list=lambda: afresh(list_checkpoints),
            revisions=lambda: afresh(lambda: list_revisions(REPOSITORY)),
            read=lambda: afresh(read),
            collect=lambda: afresh(collected),
        )


def _header(text: str) -> str:
    """What may stand in a header: visible letters of Latin-1."""
    return "".join(letter for letter in text if 32 <= ord(letter) < 256 and ord(letter) != 127).strip()
