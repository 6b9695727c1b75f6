"""The folders of the Spaces, as `spaces/deploy.py --dry-run` assembles them, and what they say of themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from packaging.requirements import Requirement

DEPLOY = Path(__file__).parents[1] / "spaces" / "deploy.py"


def assemble(app: str, folder: Path, *options: str) -> Path:
    words = [sys.executable, str(DEPLOY), app, "ada/studio", "--dry-run", str(folder), *options]
    subprocess.run(words, check=True, cwd=folder.parent, capture_output=True)
    return folder


def card(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])


def pins(folder: Path) -> dict[str, Requirement]:
    lines = [line for line in (folder / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}
