"""What each kind of source brings onto the leaderboard, ranks with ties, and tables for papers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.evaluation.results import Result, write_result
from aigc_core.hub.push import push
from aigc_core.metrics.estimate import Estimate
from aigc_core.serving.board import Board
from aigc_core.serving.leaderboard import by_protocol, collect, labels, ranked
from aigc_core.serving.recipes import ranked_recipes, recipe_groups
from aigc_core.serving.tables import as_latex, as_rows
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint
from tests.toy_results import evaluated_recipe, evaluated_run, toy_result


def references(*sources: str) -> list[str]:
    return [entry.reference for entry in collect(sources)]


def problem(source: str) -> str:
    (entry,) = collect([source])
    return entry.problem


def test_every_kind_of_source_brings_its_checkpoints(local_hub: LocalHub, tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "run", [3.0, 2.0])
    push(run, "ada/one")
    push(run / "step-0000001", "ada/two")
    both = ["ada/one", "ada/one@step-0000001"]
    assert references("ada/one") == both
    assert references("ada/one@step-0000001") == both[1:]
    assert sorted(references("ada")) == sorted(references("tag:aigc-studio")) == [*both, "ada/two"]
    hub = HfApi(endpoint=local_hub.endpoint)
    slug = hub.create_collection("Best ones", namespace="ada").slug
    hub.add_collection_item(slug, "ada/two", "model")
    assert references(f"collection:{slug}") == ["ada/two"]
    assert references("ada/two", "ada", "ada/two") == ["ada/two", *both]
    assert references(str(run)) == [f"{run}@step-0000001", f"{run}@step-0000002"]
    assert references(f"{run}@step-0000001", str(run / "step-0000002")) == [
        f"{run}@step-0000001",
        str(run / "step-0000002"),
    ]
    assert all(entry.results for entry in collect(["ada", str(run)]))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("ada/none", "is not on the Hub"),
        ("nobody", "no checkpoints for it"),
        ("tag:nothing", "no checkpoints for it"),
        ("collection:!", "does not name a collection"),
        ("ada/one@step-9", "no such revision"),
        ("./nowhere", "no folder"),
        ("?*", "no folder"),
        ("", "no folder"),
        ("~nobody-of-that-name/x", "no folder"),
        ("tests/nothing", "no folder"),
    ],
)
def test_what_brings_nothing_says_why(local_hub: LocalHub, tmp_path: Path, source: str, sentence: str) -> None:
    push(evaluated_run(tmp_path / "run", [2.0]), "ada/one")
    assert re.search(sentence, problem(source)) and "\n" not in problem(source)


def test_a_broken_one_among_many_is_named_and_hides_no_other(local_hub: LocalHub, tmp_path: Path) -> None:
    push(evaluated_run(tmp_path / "run", [4.0, 3.0, 2.0]), "ada/run")
    local_hub.add("ada/run", {"eval/damaged.json": b"{"}, branch="step-0000002")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / CONFIG_FILE).write_text(json.dumps(toy_checkpoint().config.model_dump(mode="json")))
    entries = {entry.reference: entry for entry in collect(["ada/run", str(tmp_path / "bare")])}
    assert "not valid JSON" in entries.pop("ada/run@step-0000002").problem
    assert "model.safetensors is missing" in entries.pop(str(tmp_path / "bare")).problem
    assert {name: bool(entry.results) for name, entry in entries.items()} == {
        "ada/run": True,
        "ada/run@step-0000001": True,
    }


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_a_figure_that_is_no_number_is_a_problem(tmp_path: Path, value: str) -> None:
    run = evaluated_run(tmp_path / "run", [4.0])
    (path,) = (run / "step-0000001" / "eval").iterdir()
    path.write_text(path.read_text().replace("4.1", value))
    (entry,) = collect([str(run)])
    assert "'figures.fid.high' is wrong" in entry.problem


def test_the_widest_interval_can_be_shown() -> None:
    assert str(Estimate(value=0, low=-1.7e308, high=1.7e308)).startswith("0 ± 1699")
    assert str(Estimate(value=1, low=0.98, high=1.02)) == "1.000 ± 0.020"


def test_200_revisions_are_listed_with_one_request_the_second_time(local_hub: LocalHub, tmp_path: Path) -> None:
    toy_checkpoint().save_pretrained(tmp_path / "toy")
    config = json.loads((tmp_path / "toy" / CONFIG_FILE).read_text())
    for step in range(1, 201):
        files = {CONFIG_FILE: json.dumps(config | {"step": step}), "eval/a.json": toy_result(step).model_dump_json()}
        contents = {name: text.encode() for name, text in files.items()}
        local_hub.add("ada/long", contents | {"model.safetensors": b"0"}, branch=f"step-{step:07d}")
    local_hub.add("ada/long", {CONFIG_FILE: json.dumps(config).encode(), "model.safetensors": b"0"})
    first = collect(["ada/long"])
    assert sum(bool(entry.results) for entry in first) == 200
    assert not local_hub.calls("model.safetensors")
    local_hub.seen.clear()
    assert collect(["ada/long"]) == first
    assert local_hub.calls() == ["GET /api/models/ada/long/refs"]


def test_files_are_read_again_only_when_they_have_changed(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "run", [3.0, 2.0])
    first, again = (collect([str(run)]) for _ in range(2))
    assert all(one.config is two.config and one.results is two.results for one, two in zip(first, again))
    write_result(toy_result(1.0), run / "step-0000002")
    kept, changed = collect([str(run)])
    assert kept.results is first[0].results and changed.results[0].figures["fid"].value == 1.0


def test_a_board_ranks_as_its_parts_do_and_once(tmp_path: Path) -> None:
    good = evaluated_recipe(tmp_path / "a", [2.0, 2.1])
    found = collect([str(good), str(evaluated_recipe(tmp_path / "b", [9.0, 9.3], batch_size=8))])
    board = Board(found)
    ((key, group),) = by_protocol(found).items()
    assert board.ranked(key, "fid") == ranked(group, "fid") and board.ranked(key, "fid") is board.ranked(key, "fid")
    assert board.ranked(key, "is") != board.ranked(key, "fid")
    rows = board.ranked_recipes(key, "fid")
    assert rows == ranked_recipes(recipe_groups(group), "fid") and [row.group.name for row in rows] == [
        "a/seed-*@step-0000001",
        "b/seed-*@step-0000001",
    ]


def test_ranks_and_tables_leave_out_nothing(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "a_run", [2.05, 2.0, 9.0])
    (group,) = by_protocol(collect([str(run)])).values()
    entry, result = group[2]
    group[2] = entry, result.model_copy(update={"figures": {"kid": result.figures["kid"]}})
    lines = ranked(group, "fid")
    assert [(line.rank, line.name) for line in lines] == [
        (1, "a_run@step-0000002"),
        (1, "a_run@step-0000001"),
        (None, "a_run@step-0000003"),
    ]
    assert [row.get("fid_low") for row in as_rows(lines)] == [2.0 - 0.1, 2.05 - 0.1, None]
    protocol = lines[0].result.protocol.model_copy(update={"dataset": "toy\n\\input{x}"})
    unruly = [replace(lines[0], result=lines[0].result.model_copy(update={"protocol": protocol}))]
    assert r"toy \input{x}:test" in as_latex(unruly, ["fid"]).splitlines()[0]
    text = as_latex(lines, ["fid", "kid"]).splitlines()
    assert r"1 & a\_run@step-0000002 & $2.00 \pm 0.10$ &" in text[5]
    assert r"-- & a\_run@step-0000003 & -- & $" in text[7]


def test_labels_tell_folders_of_one_name_apart(tmp_path: Path) -> None:
    for place in ("x", "y"):
        toy_checkpoint().save_pretrained(tmp_path / place / "same")
    toy_checkpoint().save_pretrained(tmp_path / "other")
    folders = [str(tmp_path / "x" / "same"), str(tmp_path / "y" / "same"), str(tmp_path / "other")]
    assert labels(collect(folders)) == {folders[0]: folders[0], folders[1]: folders[1], folders[2]: "other"}


def test_ones_own_protocols_come_before_those_added_from_the_hub_and_those_that_ship(tmp_path: Path) -> None:
    own = collect([str(evaluated_run(tmp_path / "own", [2.0]))])[0]
    result = own.results[0]

    def other(number: int) -> tuple[Result, ...]:
        protocol = result.protocol.model_copy(update={"num_samples": number})
        return (result.model_copy(update={"protocol": protocol}),)

    on_hub = [replace(own, reference=f"ada/{name}", results=other(500)) for name in ("cats", "dogs", "birds")]
    shipped = [
        replace(own, reference=str(SHIPPED / name), folder=SHIPPED / name, results=other(600))
        for name in ("mnist", "emoji", "digits", "drums")
    ]
    groups = [[entry.reference for entry, _ in group] for group in by_protocol([*on_hub, *shipped, own]).values()]
    assert groups == [[own.reference], *([each.reference for each in some] for some in (on_hub, shipped))]


def test_the_protocol_of_most_checkpoints_comes_first(tmp_path: Path) -> None:
    entries = collect([str(evaluated_run(tmp_path / "a_run", [2.05, 2.0, 9.0]))])
    result = entries[0].results[0]
    other = result.model_copy(update={"protocol": result.protocol.model_copy(update={"num_samples": 500})})
    groups = by_protocol([replace(entries[0], results=(other,)), *entries])
    assert [len(group) for group in groups.values()] == [3, 1]
