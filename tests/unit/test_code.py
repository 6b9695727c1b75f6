"""The code keeps its own rules: lint, format, types, and imports that run one way."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["ruff", "check"], ["ruff", "format", "--check"], ["pyright"]], ids=" ".join)
def test_checks_pass(words: list[str]) -> None:
    options = ["--pythonpath", sys.executable] if words == ["pyright"] else []
    result = subprocess.run(
        [sys.executable, "-m", *words, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_imports_run_one_way() -> None:
    """The layers are named in pyproject.toml."""
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "1 kept" in result.stdout, result.stdout + result.stderr


def test_no_test_imports_from_another() -> None:
    """What several tests share stands beside them, in files whose names do not begin with test."""
    files = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    of_tests = re.compile(r"^\s*(from|import) (tests)?[.\w]*\.test_\w+", re.MULTILINE)
    assert len(files) > 100 and not [str(path) for path, text in files.items() if of_tests.search(text)]


def test_what_the_type_checker_ignores_has_a_reason() -> None:
    """In the line, behind the code of the error, which ruff asks for."""
    files = [
        ROOT / "app.py",
        *(path for name in ("aigc_core", "dashboard", "spaces") for path in (ROOT / name).rglob("*.py")),
    ]
    lines = {f"{path}:{number}": line for path in files for number, line in enumerate(path.read_text().splitlines(), 1)}
    ignored = {place: line for place, line in lines.items() if "type: ignore" in line}
    assert ignored and not [place for place, line in ignored.items() if not re.search(r"ignore\[[\w-]+\]  # \w", line)]
