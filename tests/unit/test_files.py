"""Where the cache lies, and what is said where the app cannot write its files."""

from pathlib import Path

import pytest
import torch

from aigc_core.data.datasets import data_folder
from aigc_core.demo import pictures
from aigc_core.errors import AIGCError
from aigc_core.evaluation.reference import kept
from aigc_core.sampling.directions import load_directions
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample
from tests.toy_models import toy_checkpoint


def test_what_can_be_had_again_lies_in_one_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load_directions(toy_checkpoint("mlp"))
    kept("real-moments", lambda: {"mean": torch.zeros(1)})
    data_folder().mkdir()
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"data", "directions", "features"}


def test_data_stay_where_they_always_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIGC_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".cache" / "aigc-studio" / "data"


def test_a_disk_that_takes_no_images_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(pictures, "get_upload_folder", lambda: str(tmp_path / "file"))
    with pytest.raises(AIGCError, match="'aigc-studio' could not be written"):
        pictures.served_folder()
    checkpoint = toy_checkpoint()
    drawn = sample(checkpoint, SampleRequest(checkpoint="toy"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "images.zip").symlink_to("/dev/full")
    monkeypatch.setattr(pictures, "served_folder", lambda: full)
    with pytest.raises(AIGCError, match="'images.zip' could not be written: the disk is full"):
        pictures.write_archive(drawn.stored, drawn.request, checkpoint)
    (full / "toy-seed-0.png").symlink_to("/dev/full")
    with pytest.raises(AIGCError, match="'images' could not be written: the disk is full"):
        pictures.write_samples(drawn.stored, drawn.request, checkpoint, full)
