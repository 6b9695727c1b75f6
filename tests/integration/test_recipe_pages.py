"""Recipes in the dashboard and on the leaderboard: means, spreads, verdicts between groups, warnings of single runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest
import streamlit as st
from PIL import Image
from scipy import stats

from aigc_core.checkpoint.folder import read_config
from aigc_core.checkpoint.layout import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from aigc_core.cli import main
from aigc_core.evaluation.comparison import compare
from aigc_core.hub.pull import pull
from aigc_core.hub.push import push
from aigc_core.serving.leaderboard import by_protocol, collect, ranked
from aigc_core.serving.recipes import known_spread, ranked_recipes, recipe_groups, recipe_records
from aigc_core.serving.report import report_page
from aigc_core.serving.tables import as_latex, as_markdown
from tests.dashboard_pages import open_dashboard
from tests.local_hub import LocalHub
from tests.processes import ROOT
from tests.toy_results import evaluated_recipe, evaluated_run

GOOD, POOR = [2.0, 2.2, 2.1, 2.15], [3.0, 3.3, 3.1]


@pytest.fixture
def recipes(tmp_path: Path) -> list[str]:
    evaluated_recipe(tmp_path / "good", GOOD)
    evaluated_recipe(tmp_path / "poor", POOR, batch_size=32)
    evaluated_run(tmp_path / "alone", [2.5], recipe={"data": "toy", "batch_size": 16})
    return [str(tmp_path / name) for name in ("good", "poor", "alone")]


def test_recipes_are_found_named_and_ranked(recipes: list[str]) -> None:
    (measured,) = by_protocol(collect(recipes)).values()
    rows = ranked_recipes(recipe_groups(measured), "fid")
    assert [(row.rank, row.group.name, len(row.group.members)) for row in rows] == [
        (1, "good/seed-*@step-0000001", 4),
        (2, "poor/seed-*@step-0000001", 3),
    ]
    assert stats.ttest_ind(GOOD, POOR, equal_var=False).pvalue < 0.02
    record = recipe_records(rows)[0]
    assert (record["fid"], record["fid_spread"]) == pytest.approx((numpy.mean(GOOD), stats.tstd(GOOD)))


def test_the_spread_of_recipes_alike_is_known(recipes: list[str]) -> None:
    (measured,) = by_protocol(collect(recipes)).values()
    groups = recipe_groups(measured)
    pair = [(entry, result) for entry, result in measured if "alone" in entry.model or "seed-1" in entry.model][1:]
    own = known_spread(groups, pair, "fid")
    level = numpy.mean([result.figures["fid"].value for _, result in pair])
    assert own and own.runs == 3 and own.value == pytest.approx(level * stats.tstd(POOR) / numpy.mean(POOR))
    assert known_spread([], pair, "fid") is None


def test_a_table_in_markdown_has_intervals_and_its_protocol(recipes: list[str]) -> None:
    (measured,) = by_protocol(collect(recipes)).values()
    lines = as_markdown(ranked(measured, "fid"), ["fid"]).splitlines()
    assert lines[0] == "| Rank | Checkpoint | FID ↓ |"
    assert lines[2] == "| 1 | good/seed-1@step-0000001 | 2.00 ± 0.10 |"
    note = as_latex(ranked(measured, "fid"), ["fid"]).splitlines()[-1]
    for text in (lines[-1], note):
        assert "1,000 samples against 3,000 of toy (test)" in text and measured[0][1].protocol.id in text
    assert r"95 \% intervals" in note


def test_recipes_are_a_table_in_texts_as_well(recipes: list[str]) -> None:
    (measured,) = by_protocol(collect(recipes)).values()
    rows = ranked_recipes(recipe_groups(measured), "fid")
    lines = as_markdown(rows, ["fid"]).splitlines()
    mean = rows[0].estimate("fid")
    assert lines[0] == "| Rank | Recipe | Seeds | FID ↓ |"
    assert lines[2] == f"| 1 | good/seed-\\*@step-0000001 | 4 | {mean} |" and mean and mean.value == numpy.mean(GOOD)
    text = as_latex(rows, ["fid", "kid"]).splitlines()
    assert text[1] == r"\begin{tabular}{rlrrr}"
    assert text[6].startswith(f"2 & poor/seed-*@step-0000001 & 3 & ${rows[1].estimate('fid')}$ &".replace("±", r"\pm"))


def test_a_recipe_stays_together_on_the_hub(local_hub: LocalHub, tmp_path: Path) -> None:
    push(evaluated_recipe(tmp_path / "good", GOOD[:3]), "ada/good")
    entries = collect(["ada/good"])
    assert [entry.reference for entry in entries] == [
        "ada/good",
        "ada/good@seed-2/step-0000001",
        "ada/good@seed-3/step-0000001",
    ]
    (measured,) = by_protocol(entries).values()
    (group,) = recipe_groups(measured)
    found = group.figure("fid")
    assert found and found.count == 3 and found.mean.value == pytest.approx(numpy.mean(GOOD[:3]))
    assert read_config(pull("ada/good", "seed-3/step-0000001")).recipe["seed"] == 3
    assert read_config(pull("ada/good")).recipe["seed"] == 1


def contents(folder: Path) -> dict[str, bytes]:
    """By name, without the card, which `push` writes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != CARD_FILE]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_what_was_pushed_comes_back_as_a_folder(
    local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe's runs together, and found in `runs/` by the pages; a run with its steps; a checkpoint alone."""
    recipe, run = evaluated_recipe(tmp_path / "recipe", GOOD[:3]), evaluated_run(tmp_path / "run", [3.0, 2.0])
    for name, pushed in (("recipe", recipe), ("run", run), ("single", run / "step-0000001")):
        push(pushed, f"ada/{name}")
        for _ in range(2):  # the second time, all of it is there
            assert main(["pull", f"ada/{name}", "--out", str(tmp_path / "runs" / name)]) == 0
        assert contents(tmp_path / "runs" / name) == contents(pushed)
    (tmp_path / "runs" / "recipe" / "seed-2" / "step-0000001" / WEIGHTS_FILE).write_bytes(b"other")
    assert main(["pull", "ada/recipe", "--out", str(tmp_path / "runs" / "recipe")]) == 2
    assert "seed-2/step-0000001' holds something else" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "runs" / "recipe" / "seed-2")  # as after a copy that was cut off
    assert main(["pull", "ada/recipe", "--out", str(tmp_path / "runs" / "recipe")]) == 0
    assert main(["pull", "ada/run@step-0000001", "--out", str(tmp_path / "one")]) == 0
    assert read_config(tmp_path / "one").step == 1
    monkeypatch.chdir(tmp_path)
    st.cache_resource.clear()
    page = open_dashboard()
    (table,) = (table.value for table in page.dataframe if "recipe" in table.value.columns)
    assert list(table["recipe"]) == ["runs/recipe/seed-*@step-0000001"] and list(table["seeds"]) == [3]
    st.cache_resource.clear()


def test_the_pages_show_recipes(recipes: list[str]) -> None:
    page = open_dashboard(add=recipes)
    (table,) = (table.value for table in page.dataframe if "recipe" in table.value.columns)
    assert list(table["recipe"]) == ["good/seed-*@step-0000001", "poor/seed-*@step-0000001"]
    assert list(table["fid"]) == pytest.approx([numpy.mean(GOOD), numpy.mean(POOR)])
    page.switch_page("compare.py").run()
    box = page.selectbox(key="protocol")
    box.set_value(next(option for option in box.options if option.startswith("toy"))).run()
    plain = [text.value.replace("\\", "") for text in page.markdown]
    verdict = next(text for text in plain if "over 4 training seeds" in text)
    assert verdict.startswith("**good/seed-*@step-0000001** is better than **poor/seed-*@step-0000001**: FID 2.1")
    assert not any("single runs" in warning.value for warning in page.warning)
    page.multiselect(key="checkpoint").set_value(["good/seed-1@step-0000001", "alone@step-0000001"]).run()
    (warning,) = (warning.value.replace("\\", "") for warning in page.warning)
    assert "single runs of two recipes" in warning and "known from 4 runs" in warning
    page.selectbox(key="recipe_b").set_value("chosen by hand").run()
    assert any("two runs or more of each recipe" in info.value for info in page.info)
    page.multiselect(key="runs_b").set_value([f"poor/seed-{seed}@step-0000001" for seed in (1, 2, 3)]).run()
    assert any("is better than" in text.value and "over 3 training" in text.value for text in page.markdown)
    mixed = ["poor/seed-1@step-0000001", "poor/seed-2@step-0000001", "alone@step-0000001"]
    page.multiselect(key="runs_b").set_value(mixed).run()
    assert any("not of one recipe: they differ in batch" in warning.value.replace("\\", "") for warning in page.warning)
    assert not page.exception


def test_compare_warns_of_single_runs(
    recipes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two recipes and not of two steps of a run, with the spread that groups compared or found in `runs/` tell."""
    one, alone = recipes[2], str(evaluated_run(tmp_path / "single", [3.0], recipe={"data": "toy", "batch_size": 8}))

    def warned(*words: str) -> str:
        assert main(["compare", *words]) == 0
        return capsys.readouterr().err

    assert "by how much retraining alone moves FID is not known here" in warned(one, alone)
    run = evaluated_run(tmp_path / "run", [3.0, 2.0], recipe={"data": "toy"})
    assert not warned(f"{run}@step-0000001", f"{run}@step-0000002")
    seeds = [f"{recipes[1]}/seed-{seed}" for seed in (1, 2)]
    assert not warned(*seeds)
    spread = f"{2.75 * stats.tstd(POOR) / numpy.mean(POOR):.2g}"
    for run in (seeds[0], f"{seeds[0]}@step-0000001", f"{seeds[0]}/step-0000001"):
        assert f"about {spread} (standard deviation, known from 3 runs)" in warned(run, one)
    assert f"{recipes[0]}/seed-1 and {seeds[0]} are single runs" in (said := warned(f"{recipes[0]}/seed-1", seeds[0]))
    assert "known from 7 runs" in said
    (tmp_path / "runs").mkdir()
    shutil.move(recipes[0], tmp_path / "runs" / "good")
    unlike = evaluated_run(tmp_path / "runs" / "unlike", [2.0], recipe={"data": "other"}) / "step-0000001"
    config = read_config(unlike).model_copy(update={"dataset": "other", "data_hash": "1"})
    (unlike / CONFIG_FILE).write_text(config.as_json())
    monkeypatch.chdir(tmp_path)
    read: list[str] = []
    monkeypatch.setattr("aigc_core.commands.compare.collect", lambda sources: read.extend(sources) or collect(read))
    spread = f"{2.75 * stats.tstd(GOOD) / numpy.mean(GOOD):.2g}"
    assert f"about {spread} (standard deviation, known from 4 runs)" in warned(one, alone)
    assert read == [str(Path("runs", "good"))]  # whose results alone tell of these two


def test_a_recipe_is_not_called_by_what_another_run_is_called_too(tmp_path: Path) -> None:
    for seed, size in ((1, 16), (2, 32), (3, 16)):
        recipe: dict[str, object] = {"data": "toy", "seed": seed, "batch_size": size}
        evaluated_run(tmp_path / "mixed" / f"seed-{seed}", [3.0], recipe=recipe)
    (measured,) = by_protocol(collect([str(tmp_path / "mixed")])).values()
    (group,) = recipe_groups(measured)
    assert group.name == "mixed/seed-1@step-0000001 + mixed/seed-3@step-0000001"
    (group,) = recipe_groups([one for one in measured if "seed-2" not in one[0].reference])
    assert group.name == "mixed/seed-*@step-0000001"


def test_a_group_is_of_one_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(evaluated_recipe(tmp_path / "good", GOOD))
    for seed, size in ((1, 16), (2, 32), (3, 16)):
        recipe: dict[str, object] = {"data": "toy", "seed": seed}
        evaluated_run(tmp_path / "mixed" / f"seed-{seed}", [3.0], recipe=recipe | {"batch_size": size})
        evaluated_run(tmp_path / "uneven" / f"seed-{seed}", [3.0] * seed, recipe=recipe)
    by_hand = ",".join(f"{tmp_path}/mixed/seed-{seed}" for seed in (1, 2))
    for group, differ in (
        (f"{tmp_path}/mixed", "batch_size (16, 32)."),
        (by_hand, "batch_size (16, 32)."),
        (f"{tmp_path}/uneven", "samples_seen (1000, 2000, 3000)."),
    ):
        assert main(["compare", good, group]) == 2
        expected = f"'{group}' is not a group: its members must be of one recipe, and differ in {differ}"
        assert expected in capsys.readouterr().err
    alike = ",".join(f"{tmp_path}/mixed/seed-{seed}" for seed in (1, 3))
    assert main(["compare", good, alike]) == 0
    assert "over 2 training seeds" in capsys.readouterr().out
    assert main(["compare", good, str(evaluated_recipe(tmp_path / "single", [3.0], batch_size=8))]) == 2
    assert "two or more; `train --seeds 5` trains a recipe with five seeds" in capsys.readouterr().err


def test_a_report_says_of_each_two_what_its_ranks_say(tmp_path: Path) -> None:
    """0.2 is beyond doubt for one pair (p = 0.006) and not for the smallest p-value of six."""
    fids = {"best": 2.0, "worst": 2.2, "middle": 2.1, "other": 2.1}
    for size, (name, fid) in enumerate(fids.items(), 16):
        evaluated_run(tmp_path / name, [fid], recipe={"data": "toy", "batch_size": size})
    entries = collect([str(tmp_path / name) for name in fids])
    assert compare(entries[0].results[0], entries[1].results[0], "fid").outcome == "better"
    page = report_page(entries, {}, "fid", "en")
    assert "is better than" not in page and page.count("cannot be told apart: FID") == 3
    assert page.count("are single runs of two recipes") == 3
    evaluated_run(tmp_path / "far", [3.0], recipe={"data": "toy"})
    page = report_page(collect(map(str, sorted(tmp_path.iterdir()))), {}, "fid", "en")
    assert "<b>best@step-0000001</b> is better than <b>far@step-0000001</b>" in page
    assert page.count("cannot be told apart: FID") == 3


def test_two_grids_are_laid_over_each_other(recipes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "dashboard")
    from pictures import difference, wiped

    draw = numpy.random.default_rng(0)
    a, b = (draw.integers(0, 256, (4, 10, 3), dtype=numpy.uint8) for _ in range(2))
    pair = Image.fromarray(a), Image.fromarray(b)
    assert numpy.array_equal(numpy.asarray(wiped(*pair, 0.3)), numpy.concatenate([a[:, :3], b[:, 3:]], axis=1))
    shown, mean = difference(*pair)
    apart = numpy.abs(a.astype(int) - b).max(axis=2)
    assert mean == pytest.approx(apart.mean()) and numpy.asarray(shown).max() == 255
    assert (numpy.asarray(shown) == 255).sum() == (apart == apart.max()).sum()

    page = open_dashboard("compare", add=recipes)
    box = page.selectbox(key="protocol")
    box.set_value(next(option for option in box.options if option.startswith("toy"))).run()
    for way in ("Slider", "Flicker", "Difference"):
        page.selectbox(key="overlaid").set_value(way.lower()).run()
        assert len(page.get("image")) == 3 and not page.exception and not page.warning
