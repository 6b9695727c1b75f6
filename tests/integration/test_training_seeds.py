"""`train --seeds N`: a recipe's runs, one after another, found together by what evaluates and compares them."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from aigc_core.checkpoint.folder import read_config, seed_folders, step_folders
from aigc_core.checkpoint.layout import WEIGHTS_FILE
from aigc_core.cli import main
from aigc_core.commands.evaluate import _expanded
from aigc_core.evaluation.recipes import recipe_id
from tests.processes import ROOT
from tests.small_runs import ONE_THREAD, command


def test_a_recipe_is_trained_with_several_seeds_and_goes_on(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, alone = tmp_path / "recipe", tmp_path / "alone"

    def train(out: Path, *more: str) -> int:
        return main(command(digits_folder, out, 16, *more)[3:])

    assert train(recipe, "--seeds", "2") == 0
    assert train(alone, "--seed", "2") == 0
    assert [folder.name for folder in seed_folders(recipe)] == ["seed-1", "seed-2"]
    newest = [step_folders(folder)[-1] for folder in seed_folders(recipe)]
    weights = [(folder / WEIGHTS_FILE).read_bytes() for folder in (*newest, step_folders(alone)[-1])]
    assert weights[1] == weights[2] != weights[0]
    configs = [read_config(folder) for folder in newest]
    assert [config.recipe["seed"] for config in configs] == [1, 2]
    assert recipe_id(configs[0]) == recipe_id(configs[1]) != ""
    capsys.readouterr()
    assert train(recipe, "--seeds", "2") == 2
    assert "already holds runs" in capsys.readouterr().err
    assert main(["train", "--out", str(recipe), "--seeds", "3", "--resume"]) == 0
    assert [folder.name for folder in seed_folders(recipe)] == ["seed-1", "seed-2", "seed-3"]
    assert [(folder / WEIGHTS_FILE).read_bytes() for folder in newest] == weights[:2]
    assert _expanded(str(recipe)) == [str(recipe / f"seed-{seed}") for seed in (1, 2, 3)]


def test_a_run_does_not_become_a_recipe(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(command(digits_folder, run, 16)[3:]) == 0
    before = sorted(path.name for path in run.iterdir())
    capsys.readouterr()
    assert main(["train", "--resume", "--out", str(run), "--seeds", "2", "--samples", "64"]) == 2
    assert "holds one run, not a recipe" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before


def test_an_interruption_says_how_all_runs_go_on(digits_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "recipe"
    words = command(digits_folder, out, 8_000_000, "--seeds", "3")
    process = subprocess.Popen(words, env=ONE_THREAD, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not out.is_dir() or not seed_folders(out):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"train --out {out} --resume --seeds 3`" in errors.strip().splitlines()[-1]
