"""Spaces: what is assembled, what deploying sends, and that the assembled apps run as Spaces runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from aigc_core.demo import generate
from tests.spaces_folders import DEPLOY, assemble, card, pins

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def spaces_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of both Spaces as `--dry-run` writes them."""
    parent = tmp_path_factory.mktemp("spaces")
    return {app: assemble(app, parent / app) for app in ("demo", "dashboard")}


@pytest.mark.parametrize("app", ["demo", "dashboard"])
def test_the_assembled_folder_holds_what_runs_and_nothing_else(spaces_folders, app):
    names = {path.relative_to(spaces_folders[app]).as_posix() for path in spaces_folders[app].rglob("*")}
    entry = {"demo": "app.py", "dashboard": "dashboard/app.py"}[app]
    assert {entry, "README.md", "requirements.txt", "LICENSE", "aigc_core/checkpoint/folder.py"} <= names
    assert "checkpoints/mnist/model.safetensors" in names
    forbidden = re.compile(r"(^|/)(tests|spaces|training_state|runs|\.git|__pycache__|secrets\.toml|\.env)(/|$)")
    assert not [name for name in names if forbidden.search(name)]
    assert ("checkpoints/mnist-mlp/timeline/scores.json" in names) == (app == "demo")
    suffixes = {Path(name).suffix for name in names if (spaces_folders[app] / name).is_file()}
    assert suffixes <= {".py", ".md", ".txt", ".json", ".jsonl", ".safetensors", ".png", ".yaml", ".toml", ".po", ""}
    assert (".streamlit/config.toml" in names) == (app == "dashboard")


def test_the_list_takes_no_training_state_and_no_secret_along(tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "spaces", clone / "spaces")
    shutil.copytree(ROOT / "aigc_core", clone / "aigc_core")
    state = clone / "checkpoints" / "mnist" / "training_state"
    state.mkdir(parents=True)
    for path in (state / "model.safetensors", clone / "aigc_core" / "secrets.toml", clone / "checkpoints" / ".env"):
        path.write_text("hf_secret")
    (clone / "checkpoints" / "mnist" / "config.json").write_text("{}")
    words = [sys.executable, str(clone / "spaces" / "deploy.py"), "demo", "a/b", "--dry-run", str(tmp_path / "demo")]
    subprocess.run(words, check=True, capture_output=True)
    files = [path for path in (tmp_path / "demo").rglob("*") if path.is_file()]
    assert tmp_path / "demo" / "checkpoints" / "mnist" / "config.json" in files
    assert not [path for path in files if b"hf_secret" in path.read_bytes()]


@pytest.mark.parametrize("app", ["demo", "dashboard"])
def test_cards_are_what_spaces_asks_for(spaces_folders, app):
    values = card(spaces_folders[app])
    assert len(values["short_description"]) <= 60  # the Hub's limit
    assert values["sdk"] == {"demo": "gradio", "dashboard": "docker"}[app]
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {values["colorFrom"], values["colorTo"]} <= colours
    if app == "demo":
        assert values["python_version"] in ("3.10.13", "3.12.12")  # what ZeroGPU offers
    else:
        dockerfile = (spaces_folders[app] / "Dockerfile").read_text()
        assert f"EXPOSE {values['app_port']}" in dockerfile and "HEALTHCHECK" in dockerfile


@pytest.mark.parametrize("app", ["demo", "dashboard"])
def test_cards_have_pictures_that_are_there_and_examples_that_open(spaces_folders, app):
    words, folder = (spaces_folders[app] / "README.md").read_text("utf-8"), spaces_folders[app]
    address = "https://huggingface.co/spaces/ada/studio"
    thumbnail = card(folder)["thumbnail"].removeprefix(f"{address}/resolve/main/")
    pictures = re.findall(r"!\[.+\]\((.+)\)", words)
    assert pictures and all((folder / picture).suffix == ".png" for picture in [thumbnail, *pictures])
    for picture in [thumbnail, *pictures]:
        assert (folder / picture).read_bytes() == (ROOT / picture).read_bytes()
    examples = dict(re.findall(rf"\n- \[(.+)\]\({re.escape(address)}\?(.+)\)", words))
    assert examples and "OWNER" not in words and words.count(address) == 1 + len(examples)
    if app == "demo":
        assert examples.items() <= generate.EXAMPLES.items()


@pytest.mark.parametrize("app", ["demo", "dashboard"])
def test_pins_agree_with_the_requirements_of_the_project(spaces_folders, app):
    allowed = {r.name: r for r in map(Requirement, (ROOT / "requirements.txt").read_text().split("\n")[:-1])}
    found = {name: str(pin.specifier).removeprefix("==") for name, pin in pins(spaces_folders[app]).items()}
    if app == "demo":
        found["gradio"] = card(spaces_folders[app])["sdk_version"]
        assert (2, 8) <= tuple(map(int, found["torch"].split(".")[:2])) <= (2, 11)  # what ZeroGPU offers
    for name, version in found.items():
        assert name in ("spaces", "authlib") or allowed[name].specifier.contains(version), name


def test_models_and_gpu_reach_the_files(tmp_path):
    folder = assemble("dashboard", tmp_path / "gpu", "--hardware", "t4-small", "--models", "ada/cats", "bob/dogs")
    assert card(folder)["models"] == ["ada/cats", "bob/dogs"]
    assert "ARG TORCH=cuda\n" in (folder / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["dashboard", "a/b", "--hardware", "zero-a10g"], "ZeroGPU runs Gradio only"),
        (["dashboard", "a/b", "--sleep", "600"], "--sleep is for hardware that is paid for"),
    ],
)
def test_what_spaces_would_refuse_is_said_at_once(tmp_path, options, sentence):
    words = [sys.executable, str(DEPLOY), *options, "--dry-run", str(tmp_path / "folder")]
    result = subprocess.run(words, check=False, capture_output=True, text=True)
    assert result.returncode == 2 and sentence in result.stderr and "Traceback" not in result.stderr


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    words = [sys.executable, str(DEPLOY), "demo", "a/b", "--dry-run", str(tmp_path)]
    result = subprocess.run(words, check=False, capture_output=True, text=True)
    assert result.returncode == 2 and "is not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_import_spaces_finds_the_package_of_that_name(spaces_folders, tmp_path):
    """From `python app.py` in a clone and in the assembled Space, and from pytest at the root."""
    assert not list((ROOT / "spaces").rglob("__init__.py"))
    for folder in (ROOT, spaces_folders["demo"]):
        words, spoken = [sys.executable, "app.py", "--help"], os.environ | {"PYTHONVERBOSE": "1"}
        told = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, env=spoken)
        assert "usage: app.py" in told.stdout
        assert re.search(r"matches .*site-packages/spaces/__init__.py", told.stderr), folder
    test = tmp_path / "test_where.py"
    test.write_text("def test_where():\n    import spaces\n    assert 'site-packages' in spaces.__file__\n")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), str(test)]
    assert subprocess.run(words, check=False, cwd=ROOT, capture_output=True).returncode == 0
