"""What goes wrong on the way to the Hub ends in a sentence and an unharmed cache, and trying again continues."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import close_session

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE
from aigc_core.cli import main
from aigc_core.hub.client import hub_client
from aigc_core.hub.listing import list_checkpoints
from aigc_core.hub.pull import pull
from aigc_core.hub.push import push
from aigc_core.hub.revisions import read_revisions
from tests.local_hub import LocalHub
from tests.processes import ROOT
from tests.toy_models import toy_checkpoint

FAULTS = {
    "401": ({"status": 401}, "log in with `hf auth login`"),
    "403": ({"status": 403}, "may not do this"),
    "404": ({"status": 404}, "there is no such thing on the Hub"),
    "429, Retry-After": ({"status": 429, "headers": {"Retry-After": "7"}}, "too many requests; try again in 7 seconds"),
    "429, both": (
        {"status": 429, "headers": {"RateLimit": "unknown", "Retry-After": "9"}},
        "too many requests; try again in 9 seconds",
    ),
    "429, RateLimit": ({"status": 429, "headers": {"RateLimit": '"api";r=0;t=42'}}, "try again in 42 seconds"),
    "500": ({"status": 500}, "the Hub has a fault of its own"),
    "no answer": ({"silent": 1}, "the connection to the Hub failed"),
    "cut": ({"cut_after": 10}, "the connection to the Hub failed"),
}


@pytest.fixture
def folder(local_hub: LocalHub, tmp_path: Path) -> Path:
    """A checkpoint that is on the Hub as ada/toy."""
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    push(folder, "ada/toy")
    return folder


@contextmanager
def impatience(monkeypatch: pytest.MonkeyPatch, silent: bool = False) -> Iterator[None]:
    """Waiting between the client's own attempts is cut short, and for an answer where none comes."""
    wait = time.sleep
    with monkeypatch.context() as short:
        short.setattr("time.sleep", lambda seconds: wait(min(seconds, 0.01)))
        if silent:
            short.setattr("aigc_core.hub.client.TIMEOUT", 0.3)
            short.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
        yield


def sentence_of(call: Callable[[], object]) -> str:
    """What the user reads when a call fails: one sentence, without anything that is nobody's business."""
    with pytest.raises(AIGCError) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    assert not any(word in text for word in ("hf_local", "http://", "Traceback", "signature="))
    return text


def assert_comes_whole(cache: Path, folder: Path) -> None:
    """What lies in the cache under a commit is what was pushed, and pulling brings the rest."""
    for path in (cache / "hub").glob("*/snapshots/*/*"):
        assert path.name == "README.md" or path.read_bytes() == (folder / path.name).read_bytes()
    pulled = Checkpoint.from_pretrained("ada/toy").path
    assert pulled and (pulled / WEIGHTS_FILE).read_bytes() == (folder / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize("name", FAULTS)
def test_asking_about_a_checkpoint(
    local_hub: LocalHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    what, sentence = FAULTS[name]
    with impatience(monkeypatch, "silent" in what), local_hub.fault("GET /api/models", **what):
        for call in (lambda: pull("ada/toy"), lambda: read_revisions("ada/toy"), lambda: list_checkpoints("ada")):
            assert sentence in sentence_of(call)
    assert_comes_whole(tmp_path / "hf", folder)


@pytest.mark.parametrize("name", ["401", "403", "404", "500", "no answer", "cut"])
def test_fetching_a_file(
    local_hub: LocalHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    what, sentence = FAULTS[name]
    with impatience(monkeypatch, "silent" in what), local_hub.fault("GET /storage/", **what):
        assert sentence in sentence_of(lambda: pull("ada/toy"))
    assert_comes_whole(tmp_path / "hf", folder)


def test_a_new_connection_waits_no_longer_than_the_first(
    local_hub: LocalHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gives up its connections where one fails, and in the middle of a call."""
    api = hub_client(None)
    close_session()
    with impatience(monkeypatch, silent=True), local_hub.fault("GET /api/models", silent=5):
        for call in (lambda: api.model_info("ada/toy"), lambda: list(api.list_models(author="ada"))):
            with pytest.raises(httpx2.TimeoutException):
                call()


def test_threads_that_begin_at_once_leave_each_other_their_connections(
    local_hub: LocalHub, folder: Path, tmp_path: Path
) -> None:
    """In a new process, which switches between its threads as often as it can: the first request of each visitor."""
    script = (
        "import sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import httpx2, huggingface_hub.hf_api\n"
        "from aigc_core.hub.listing import list_checkpoints\n"
        "sys.setswitchinterval(1e-6)\n"
        "with ThreadPoolExecutor(16) as pool:\n"
        "    print(*[len(found) for found in pool.map(lambda _: list_checkpoints('ada'), range(16))])"
    )
    environment = os.environ | local_hub.environment(tmp_path / "hf") | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1"] * 16, done.stderr


def test_a_file_that_arrives_damaged(local_hub: LocalHub, folder: Path, tmp_path: Path) -> None:
    """Large files and small ones: their hashes are of two kinds."""
    for pattern, name in (("GET /storage/", WEIGHTS_FILE), ("GET .*/resolve/.*/config.json", CONFIG_FILE)):
        with local_hub.fault(pattern, damaged=True):
            assert f"{name} arrived damaged" in sentence_of(lambda: pull("ada/toy"))
        assert not list((tmp_path / "hf").rglob(name))
    assert_comes_whole(tmp_path / "hf", folder)


def test_a_download_that_is_cut_once_goes_on_where_it_was_cut(
    local_hub: LocalHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)  # what is kept of a cut answer
    with impatience(monkeypatch), local_hub.fault("GET /storage/", cut_after=50_500, times=1):
        pull("ada/toy")
    assert [seen.range for seen in local_hub.seen if seen.call.startswith("GET /storage/")] == ["", "bytes=50000-"]
    assert_comes_whole(tmp_path / "hf", folder)


def test_pulling_again_fetches_only_what_is_missing(
    local_hub: LocalHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with impatience(monkeypatch), local_hub.fault("GET /storage/", cut_after=1000):
        sentence_of(lambda: pull("ada/toy"))
    assert not list((tmp_path / "hf").rglob("*.incomplete"))
    local_hub.seen.clear()
    assert_comes_whole(tmp_path / "hf", folder)
    assert local_hub.calls("GET /storage/") and not local_hub.calls("GET .*/README.md")


PUSH_FAULTS = {
    "not one's own": ("bob/toy", "", {}, "bob/toy"),
    "wrong name": ("toy", "", {}, "write OWNER/NAME"),
    "no more repositories": ("ada/new", "/repos/create", {"status": 402}, "it must be paid for"),
    "upload refused": ("ada/new", "PUT /lfs/", {"status": 403}, "may not do this"),
    "upload cut": ("ada/new", "PUT /lfs/", {"cut_after": 1000}, "the connection to the Hub failed"),
    "changed meanwhile": ("ada/new", "/commit/", {"status": 409}, "it was changed at the same time"),
    "commit cut": ("ada/new", "/commit/", {"cut_after": 100}, "the connection to the Hub failed"),
    "fault at the end": ("ada/new", "/commit/", {"status": 503}, "the Hub has a fault of its own"),
}


@pytest.mark.parametrize("name", PUSH_FAULTS)
def test_pushing(local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    repo_id, pattern, what, sentence = PUSH_FAULTS[name]
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    with impatience(monkeypatch), local_hub.fault(pattern, **what, times=None if what else 0):
        assert sentence in sentence_of(lambda: push(folder, repo_id))
    if what:
        uploaded = bool(local_hub.calls("POST .*/verify"))
        local_hub.seen.clear()
        push(folder, repo_id)
        assert local_hub.files(repo_id)[WEIGHTS_FILE] == (folder / WEIGHTS_FILE).read_bytes()
        assert bool(local_hub.calls("PUT /lfs/")) != uploaded, "what is there is not sent again"


def test_the_commands_print_the_sentence(
    local_hub: LocalHub, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    for words in (["push", str(folder), "ada/toy"], ["pull", "ada/toy"], ["list"]):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ") and "the token is missing or wrong" in line
