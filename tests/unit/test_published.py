"""Published protocols: what `--protocol` settles, and which results it lets compare with papers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aigc_core.cli import main
from aigc_core.commands.evaluate import as_text
from aigc_core.evaluation.published import published_match
from aigc_core.evaluation.results import Protocol, Result
from aigc_core.metrics.estimate import Estimate
from tests.toy_models import toy_checkpoint

# As the client of torch-fidelity names the file, weights-inception-2015-12-05-6726825d.pth.
FOLLOWED: dict[str, Any] = {
    "dataset": "cifar10",
    "dataset_hash": "0",
    "split": "train",
    "resolution": 32,
    "channels": 3,
    "extractor": "inception-v3-compat",
    "extractor_hash": "6726825d0af5f729",
    "num_reference": 50_000,
    "num_samples": 50_000,
}


def test_a_result_under_the_published_conditions_says_whose_figures_it_compares_with() -> None:
    result = Result(protocol=Protocol(**FOLLOWED), figures={"fid": Estimate(value=3.2, low=3.1, high=3.3)})
    printed = as_text("theirs", result)
    assert "FID " in printed and "torch-fidelity's FID by the protocol that papers report for CIFAR-10" in printed


@pytest.mark.parametrize(
    "change",
    [
        {"split": "test"},
        {"num_samples": 49_999},
        {"num_reference": 10_000},
        {"extractor": "cifar10-classifier"},
        {"extractor_hash": "00000000"},
        {"resolution": 28},
        {"channels": 1},
        {"truncation": 0.7},
        {"dataset": "cifar10:cat"},
    ],
)
def test_anything_else_compares_with_no_published_figure(change: dict[str, Any]) -> None:
    assert published_match(Protocol(**FOLLOWED)) is not None
    assert published_match(Protocol(**FOLLOWED | change)) is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--num-samples", "1000"], "--protocol fid50k fixes --num-samples as 50000; leave it out."),
        (["--reference", "mnist"], "fixes --reference as cifar10:train"),
        (["--extractor", "cifar10-classifier"], "fixes --extractor as inception-v3-compat"),
        (["--metrics", "kid"], "fixes --metrics as fid"),
        ([], r"needs the weights weights-inception-2015-12-05-6726825d.pth.*--weights FILE"),
    ],
)
def test_the_protocol_leaves_nothing_open_and_names_the_weights_it_lacks(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    toy_checkpoint().save_pretrained(tmp_path / "model")
    assert main(["evaluate", str(tmp_path / "model"), "--protocol", "fid50k", *words]) == 2
    printed = capsys.readouterr().err
    assert re.search(sentence, printed)
