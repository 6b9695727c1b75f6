"""Figures that others state of their models are listed as claimed, and ranked nowhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from streamlit.testing.v1 import AppTest

from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.cli import main
from aigc_core.hub.card import write_card
from aigc_core.hub.claims import Claim, find_claims
from aigc_core.serving.leaderboard import claimed, collect
from tests.local_hub import LocalHub
from tests.toy_results import evaluated_run

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "dashboard" / "app.py"


def card(value: object = 2.97) -> str:
    """A card as huggingface_hub writes it."""
    stated = EvalResult("unconditional-image-generation", "cifar10", "CIFAR-10", "fid", value, metric_name="FID (50k)")
    data = ModelCardData(model_name="theirs", eval_results=[stated], license="mit")
    return f"---\n{data.to_yaml()}\n---\n# Theirs\n"


def metric_line(value: object) -> str:
    """A line as StyleGAN's metric_main writes it."""
    stated = {"results": {"fid50k_full": value}, "metric": "fid50k_full", "num_gpus": 8, "snapshot_pkl": "net.pkl"}
    return json.dumps(stated) + "\n"


def test_a_refused_model_still_claims_what_its_files_state(local_hub: LocalHub) -> None:
    assert ModelCard(card()).data.get("eval_results")
    metrics = metric_line(9.5) + metric_line(2.42)
    files = {"net.pkl": b"pickle", "README.md": card().encode(), "run/metric-fid50k_full.jsonl": metrics.encode()}
    local_hub.add("bob/gan", files)
    (entry,) = collect(["bob/gan"])
    assert "a pickle" in entry.problem and not entry.results and not local_hub.calls("net.pkl")
    assert set(entry.claims) == {
        Claim("FID (50k)", 2.97, "CIFAR-10", "README.md"),
        Claim("fid50k_full", 2.42, "", "run/metric-fid50k_full.jsonl"),
    }
    assert {row["value"] for row in claimed([entry])} == {2.97, 2.42}


def test_what_was_measured_here_is_no_claim(tmp_path: Path) -> None:
    (step,) = evaluated_run(tmp_path / "run", [3.0]).iterdir()
    write_card(step)
    assert ModelCard.load(step / "README.md").data.get("eval_results")
    assert find_claims(CheckpointReference.parse(str(step))) == []


def test_strangers_are_told_no_claims_of_this_machines_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text(card())
    (here,) = collect([str(tmp_path)])
    monkeypatch.setenv("SPACE_ID", "ada/dashboard")
    (there,) = collect([str(tmp_path)])
    assert here.claims and there.problem and not there.claims


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", "---\nmodel-index: [{]\n---\n"),
        ("README.md", "---\nmodel-index:\n- name: x\n  results: 3\n---\n"),
        ("README.md", "---\nmodel-index: &a [*a]\n---\n"),
        ("README.md", card("as good as any")),
        ("README.md", card(float("nan"))),
        ("README.md", card([1.0])),
        ("metric-fid.jsonl", "[" * 100_000 + "\n"),
        ("metric-fid.jsonl", '{"results": {"fid": 1e999, "b": true, "c": null}}\n{"results": [1]}\n3\n'),
        ("metric-fid.jsonl", metric_line(1.0) * 20_000),
        ("metric-fid.jsonl.bak", metric_line(1.0)),
    ],
)
def test_what_states_nothing_readable_claims_nothing(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert find_claims(CheckpointReference.parse(str(tmp_path))) == []


def test_claims_are_shown_apart_from_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [evaluated_run(tmp_path / name, [fid]) for name, fid in (("one", 3.0), ("two", 5.0))]
    steps = [next(run.iterdir()) for run in runs]
    (steps[1] / "README.md").write_text(card(0.123))
    assert main(["compare", *map(str, steps)]) == 0
    printed = capsys.readouterr().out
    assert "claims FID (50k) 0.123 on CIFAR-10 (README.md): not measured here" in printed
    assert str(steps[0]) in printed and "better" in printed
    for page in ("leaderboard", "compare"):
        test = AppTest.from_file(str(DASHBOARD), default_timeout=120)
        test.query_params["add"] = [*map(str, steps)]
        if page == "compare":
            names = [str(path) for path in steps]
            test.query_params.update({"checkpoint": names, "protocol": f"toy · {toy_protocol(steps[0])}"})
        test.run()
        if page == "compare":
            test.switch_page("compare.py").run()
        assert not test.exception
        assert any("Claimed, not measured" in title.value for title in test.subheader)
        tables = [table.value for table in test.dataframe]
        (claims,) = [table for table in tables if "file" in table]
        assert list(claims["value"]) == [0.123]
        assert not any((table == 0.123).any().any() for table in tables if "file" not in table)


def toy_protocol(step: Path) -> str:
    (path,) = (step / "eval").glob("*.json")
    return path.stem


def test_a_file_is_read_again_only_once_it_was_written_again(tmp_path: Path) -> None:
    file = tmp_path / "metric-fid50k_full.jsonl"
    file.write_text(metric_line(2.5))
    written = file.stat().st_mtime_ns

    def stated() -> list[float]:
        return [claim.value for claim in find_claims(CheckpointReference.parse(str(tmp_path)))]

    assert stated() == [2.5]
    file.write_text(metric_line(3.5))
    os.utime(file, ns=(written, written))
    assert stated() == [2.5]
    os.utime(file, ns=(written, written + 1_000_000))
    assert stated() == [3.5]
