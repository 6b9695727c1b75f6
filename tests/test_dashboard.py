"""The dashboard's pages run, and show the figures that are in the files."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[1]


def test_leaderboard_shows_the_figures_of_the_files() -> None:
    page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60).run()
    assert not page.exception
    shown = " ".join(str(table.value.to_dict()) for table in page.dataframe)
    files = sorted((ROOT / "checkpoints").glob("*/eval/*.json"))
    assert files
    for path in files:
        fid = json.loads(path.read_text())["figures"]["fid"]["value"]
        assert f"{fid:.4g} ±" in shown


@pytest.mark.parametrize("name", ["compare", "training", "audit"])
def test_other_pages_run(name: str) -> None:
    page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=120).run()
    page.switch_page(f"{name}.py").run()
    assert not page.exception
    assert page.title[0].value.lower() == name


def test_a_broken_checkpoint_is_named_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60).run()
    tables = len(page.dataframe)
    page.text_area(key="added").set_value(str(tmp_path)).run()
    assert not page.exception
    assert "not valid JSON" in page.warning[0].value
    assert len(page.dataframe) == tables > 0
