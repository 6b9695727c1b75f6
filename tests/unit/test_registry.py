"""Registries: what they say of unknown and taken names, and plugins, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc_core import AIGCError
from aigc_core.families.base import families
from aigc_core.registry import Registry
from aigc_core.translation import translate_error
from tests.processes import assert_one_sentence, run_cli

ROOT = Path(__file__).parents[2]
PACKAGE = {
    "paints/__init__.py": "from aigc_core.registry import Registry\ncolours = Registry('colour', 'paints')\n",
    "paints/red.py": "from . import colours\ncolours.register('red', (255, 0, 0))\n",
    "paints/blue.py": "from . import colours\ncolours.register('blue', (0, 0, 255))\n",
    "green_plugin.py": "from paints import colours\ncolours.register('green', (0, 255, 0))\n",
    "asking_plugin.py": "from paints import colours\nassert 'red' in colours\ncolours.register('grey', (9, 9, 9))\n",
    "red_plugin.py": "from paints import colours\ncolours.register('red', (250, 0, 0))\n",
    "needy_plugin.py": "import no_such_module\n",
}
ASK = """from aigc_core.errors import AIGCError
for _ in range({times}):
    try:
        colours["{name}"]
    except AIGCError as error:
        print(error)
"""
Run = Callable[[str, str], str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """What Python prints of a program, given AIGC_PLUGINS, where the package `paints` and its plugins lie."""
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def run_python(plugins: str, program: str) -> str:
        environment = os.environ | {"AIGC_PLUGINS": plugins, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        words = [sys.executable, "-c", "from paints import colours\n" + program]
        result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_python


def test_an_unknown_name_lists_what_there_is(run: Run) -> None:
    assert run("", ASK.format(times=1, name="pink")) == "There is no colour 'pink'; there are blue, red.\n"
    assert run("", "print('pink' in colours, 'red' in colours, colours['red'])") == "False True (255, 0, 0)\n"


def test_a_taken_name_is_refused() -> None:
    colours: Registry[object] = Registry("colour", "paints")
    red = object()
    assert colours.register("red", red) is red
    assert colours.register("red", red) is red  # the same again changes nothing
    with pytest.raises(AIGCError, match="another colour named 'red'"):
        colours.register("red", object())


def test_an_unknown_name_is_told_in_chinese() -> None:
    with pytest.raises(AIGCError) as caught:
        families["diffusion"]
    assert translate_error(caught.value, "zh").startswith("没有名为“diffusion”的模型族；有 autoregressive, ")


def test_plugins_add_to_what_there_is(run: Run) -> None:
    assert run("green_plugin", "print(*colours)") == "blue green red\n"
    # One that asks while it is imported sees what is built in; spaces and commas too many do no harm.
    assert run(" green_plugin , ,asking_plugin,", "print(*colours)") == "blue green grey red\n"


def test_plugins_cost_nothing_until_something_is_asked_for(run: Run) -> None:
    program = "import sys; print('green_plugin' in sys.modules, 'paints.red' in sys.modules)"
    assert run("green_plugin", program) == "False False\n"


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("no_such_plugin", "AIGC_PLUGINS names 'no_such_plugin', which cannot be imported"),
        ("needy_plugin", "AIGC_PLUGINS names 'needy_plugin', which cannot be imported (No module named"),
        ("red_plugin", "another colour named 'red'"),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_had_is_told_whenever_something_is_asked_for(plugin: str, words: str, run: Run) -> None:
    told = run(plugin, ASK.format(times=2, name="red")).splitlines()
    assert len(told) == 2 and told[0] == told[1] and words in told[0]


def test_on_the_command_line_a_plugin_that_cannot_be_imported_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_PLUGINS", "no_such_plugin")
    words = ["sample", str(ROOT / "checkpoints" / "mnist-mlp"), "--out", str(tmp_path / "0.png")]
    assert_one_sentence(run_cli(*words), "AIGC_PLUGINS names 'no_such_plugin'")
