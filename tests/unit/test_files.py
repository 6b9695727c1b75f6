"""Where the cache lies."""

from pathlib import Path

import pytest
import torch

from aigc_core.data.datasets import data_folder
from aigc_core.evaluation.reference import kept
from aigc_core.sampling.directions import load_directions
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
