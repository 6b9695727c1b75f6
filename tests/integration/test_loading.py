"""One cache of loaded checkpoints: shared by all who may open a model, and by nobody else."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aigc_core import AIGCError, loading
from aigc_core.loading import CheckpointCache, locate
from aigc_core.pipeline import Checkpoint
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return toy_checkpoint("mlp").save_pretrained(tmp_path / "toy")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_asked_for_again_is_the_same_until_it_is_written_anew(toy: Path) -> None:
    cache = CheckpointCache()
    first = cache.load(str(toy))
    assert cache.load(str(toy)) is first
    shutil.rmtree(toy)
    toy_checkpoint("dcgan").save_pretrained(toy)
    assert cache.load(str(toy)).config.architecture == "dcgan"


def test_a_run_is_read_again_when_it_has_a_newer_step(toy: Path, tmp_path: Path) -> None:
    cache, run = CheckpointCache(), tmp_path / "run"
    shutil.copytree(toy, run / "step-0000001")
    assert cache.load(str(run)).path == run / "step-0000001"
    shutil.copytree(toy, run / "step-0000002")
    assert cache.load(str(run)).path == run / "step-0000002"


def test_threads_that_ask_at_once_load_once(toy: Path) -> None:
    cache = CheckpointCache()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.load(str(toy)), range(16)))
    assert len({id(checkpoint) for checkpoint in found}) == 1


def test_what_was_not_used_for_longest_goes_first(toy: Path, tmp_path: Path) -> None:
    weights = sum(tensor.nbytes for tensor in Checkpoint.from_pretrained(toy).model.state_dict().values())
    cache = CheckpointCache(kept_bytes=2 * weights)
    names = [str(shutil.copytree(toy, tmp_path / name)) for name in "abc"]
    a, b = (cache.load(name) for name in names[:2])
    assert cache.load(names[0]) is a
    cache.load(names[2])
    assert cache.load(names[0]) is a and cache.load(names[1]) is not b


def test_a_private_model_is_served_to_nobody_else(
    local_hub: LocalHub, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_hub.add("ada/secret", files_of(toy), private=True)
    cache = CheckpointCache()
    monkeypatch.setenv("SPACE_ID", "ada/studio")
    mine = cache.load("ada/secret", "hf_local_ada")
    with pytest.raises(AIGCError, match="is not on the Hub, or is private"):
        cache.load("ada/secret", "hf_local_bob")
    assert cache.load("ada/secret", "hf_local_ada") is mine
    with pytest.raises(AIGCError, match="cannot be opened here"):
        cache.load(str(mine.path))


def test_the_hub_is_asked_once_a_minute_and_a_branch_that_moved_is_seen(
    local_hub: LocalHub, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_hub.add("ada/toy", files_of(toy))
    cache = CheckpointCache()
    first = cache.load("ada/toy", "hf_local_ada")
    before = len(local_hub.seen)
    assert cache.load("ada/toy", "hf_local_ada") is first and len(local_hub.seen) == before
    monkeypatch.setattr(loading, "RECHECK_SECONDS", 0.0)
    cache = CheckpointCache()
    assert cache.load("ada/toy", "hf_local_ada").config.architecture == "mlp"
    local_hub.add("ada/toy", files_of(toy_checkpoint("dcgan").save_pretrained(toy.with_name("other"))))
    assert cache.load("ada/toy", "hf_local_ada").config.architecture == "dcgan"
    with local_hub.fault("ada/toy", status=503):  # what this visitor was told a moment ago still stands
        assert cache.load("ada/toy", "hf_local_ada").config.architecture == "dcgan"
        with pytest.raises(AIGCError, match="status 503"):
            cache.load("ada/toy", "hf_local_bob")


def test_shipped_models_are_found_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (locate("checkpoints/mnist").folder or tmp_path).samefile(loading.SHIPPED / "mnist")
    (tmp_path / "checkpoints" / "mnist").mkdir(parents=True)
    assert locate("checkpoints/mnist").location == "checkpoints/mnist"
