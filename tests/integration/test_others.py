"""Models that others made, from a file, a folder and the Hub to figures, samples and the dashboard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aigc_core import Checkpoint
from aigc_core.cli import main
from aigc_core.evaluation.results import Result
from aigc_core.serving.leaderboard import Entry, collect
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_paths: None) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


class Plain(nn.Module):
    """A toy generator as a function of its noise alone, as others export theirs."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor) -> Tensor:
        return self.generator(z, z[:, :0])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy generator `mlp` as PyTorch's own exporter writes it."""
    path = tmp_path_factory.mktemp("theirs") / "theirs.onnx"
    axes = {"z": {0: "n"}}
    generator = Plain(toy_checkpoint("mlp").model)
    torch.onnx.export(generator, (torch.zeros(2, 20),), path, input_names=["z"], dynamic_axes=axes, dynamo=False)
    return path


def evaluated(capsys: pytest.CaptureFixture[str], *words: str) -> Result:
    """What `evaluate` prints of 60 samples."""
    numbers = ["--num-samples", "60", "--extractor", "mnist-classifier", "--json"]
    assert main(["evaluate", *words, *numbers]) == 0
    return Result.model_validate(json.loads(capsys.readouterr().out))


def entry_of(source: str) -> Entry:
    (entry,) = collect([source])
    assert not entry.problem
    return entry


def test_a_file_has_the_figures_of_the_model_that_was_exported(
    exported: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_checkpoint("mlp").save_pretrained(tmp_path / "ours")
    reference = ["--reference", str(digits_folder)]
    ours = evaluated(capsys, str(tmp_path / "ours"), *reference)
    theirs = evaluated(capsys, str(exported), *reference)
    assert theirs.protocol == ours.protocol and theirs.figures.keys() == ours.figures.keys()
    assert {"kid", "precision", "ppl"} <= ours.figures.keys()
    for name, figure in ours.figures.items():
        assert theirs.figures[name].value == pytest.approx(figure.value, rel=1e-3, abs=1e-6), name
    for source in (exported, exported.parent):
        assert entry_of(str(source)).results[0].figures == theirs.figures


def test_a_repository_is_listed_opened_and_measured(
    exported: Path, digits_folder: Path, local_hub: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    local_hub.add("bob/theirs", {"README.md": b"# Theirs", "weights/theirs.onnx": exported.read_bytes()})
    entry = entry_of("bob/theirs")
    assert not entry.results and not local_hub.calls("theirs.onnx")
    result = evaluated(capsys, "bob/theirs", "--reference", str(digits_folder))
    entry = entry_of("bob/theirs")
    assert entry.results[0].figures == result.figures and entry.config and entry.config.family == "onnx"
    assert local_hub.calls("theirs.onnx")
    expected = toy_checkpoint("mlp").sample(seed=7, count=3).stored.int()
    with local_hub.fault("", status=503):
        drawn = Checkpoint.from_pretrained("bob/theirs").sample(seed=7, count=3).stored.int()
    assert (drawn - expected).abs().max() <= 1


def test_what_was_converted_is_a_checkpoint_like_any_other(
    exported: Path, local_hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(exported), "--out", str(tmp_path / "ours"), "--state", "dataset=mnist"]) == 0
    assert main(["push", str(tmp_path / "ours"), "ada/converted"]) == 0
    out = tmp_path / "pictures"
    assert main(["sample", "ada/converted", "--seed", "3", "--num", "2", "--out", str(out)]) == 0
    assert main(["inspect", str(out / "seed-4.png")]) == 0
    assert "made again, and they match" in capsys.readouterr().out
    assert main(["sample", str(exported), "--state", "nonsense", "--out", str(out)]) == 2
    assert "--state takes name=value" in capsys.readouterr().err
