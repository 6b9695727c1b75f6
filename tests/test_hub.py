"""The real client against the local Hub over HTTP: what is pushed comes back, and faults harm nothing."""

from pathlib import Path

import pytest

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from aigc_core.hub import list_checkpoints, list_revisions, pull, push

from .local_hub import LocalHub
from .toy_models import toy_checkpoint


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run of two steps."""
    for step in ("step-0000100", "step-0000200"):
        toy_checkpoint().save_pretrained(tmp_path / "run" / step)
    return tmp_path / "run"


def test_a_run_comes_back_as_it_was_pushed(local_hub: LocalHub, run_folder: Path) -> None:
    push(run_folder, "ada/toy")
    for reference, step in (("ada/toy", "step-0000200"), ("ada/toy@step-0000100", "step-0000100")):
        pulled = Checkpoint.from_pretrained(reference)
        assert pulled.path is not None
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            assert (pulled.path / name).read_bytes() == (run_folder / step / name).read_bytes()
    assert [revision.name for revision in list_revisions("ada/toy")] == ["main", "step-0000100", "step-0000200"]
    assert [entry.repo_id for entry in list_checkpoints("ada")] == ["ada/toy"]


@pytest.mark.parametrize(
    ("status", "sentence"), [(429, "too many requests"), (500, "try again later"), (403, "may not")]
)
def test_a_fault_is_a_sentence_and_a_retry_continues(
    local_hub: LocalHub, run_folder: Path, status: int, sentence: str
) -> None:
    push(run_folder / "step-0000100", "ada/toy")
    with local_hub.fault("/api/models/ada/toy", status=status), pytest.raises(AIGCError, match=sentence) as caught:
        pull("ada/toy")
    assert "\n" not in str(caught.value) and "hf_local" not in str(caught.value)
    Checkpoint.from_pretrained("ada/toy")


def test_what_does_not_exist_is_a_sentence(local_hub: LocalHub) -> None:
    with pytest.raises(AIGCError, match="is not on the Hub, or is private"):
        pull("ada/nothing")


@pytest.mark.parametrize("what", [{"damaged": True}, {"cut_after": 1000}], ids=["damaged", "cut"])
def test_a_broken_download_leaves_the_cache_unharmed(
    local_hub: LocalHub, run_folder: Path, tmp_path: Path, what: dict
) -> None:
    push(run_folder / "step-0000100", "ada/toy")
    with local_hub.fault("GET /storage/", **what), pytest.raises(AIGCError):
        pull("ada/toy")
    assert not list((tmp_path / "hf").rglob(WEIGHTS_FILE))
    pulled = Checkpoint.from_pretrained("ada/toy")
    assert pulled.path is not None
    assert (pulled.path / WEIGHTS_FILE).read_bytes() == (run_folder / "step-0000100" / WEIGHTS_FILE).read_bytes()
