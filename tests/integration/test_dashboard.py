"""The dashboard's pages run in both languages, and show the figures that are in the files."""

import ast
import json
import re
import shutil
import time
from pathlib import Path
from unicodedata import normalize

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aigc_core.evaluation.results import Protocol, Result, read_results, write_result
from aigc_core.hub.push import push
from aigc_core.metrics.estimate import Estimate
from aigc_core.training.timeline import Measurement
from tests.dashboard_pages import open_dashboard
from tests.local_hub import LocalHub
from tests.processes import ROOT
from tests.toy_models import sounds_checkpoint, toy_checkpoint
from tests.toy_results import evaluated_run, toy_result

PAGES = ("leaderboard", "compare", "training", "audit", "evaluate")


def test_leaderboard_shows_the_figures_of_the_files() -> None:
    """Of three tables at first, and of the others once they are opened."""
    page = open_dashboard()
    assert len(page.dataframe) == 3
    for path in ROOT.glob("checkpoints/*/eval/*.json"):
        page.session_state[f"open-{path.stem}"] = True
    page.run()
    rows = [row for table in page.dataframe for row in table.value.to_dict("records") if "checkpoint" in row]
    shown = {(row["checkpoint"], name, value) for row in rows for name, value in row.items()}
    files = sorted((ROOT / "checkpoints").glob("*/eval/*.json"))
    assert files
    for path in files:
        figures = json.loads(path.read_text())["figures"]
        first = "fid" if "fid" in figures else "bits_per_character"
        assert (path.parts[-3], first, figures[first]["value"]) in shown


def test_a_filter_opens_the_tables_that_it_leaves() -> None:
    page = open_dashboard(find="shakespeare")
    assert [list(table.value["checkpoint"]) for table in page.dataframe] == [["shakespeare"]]
    page.text_input(key="find").set_value("no such name").run()
    assert not page.dataframe and "No checkpoint passes the filter." in [caption.value for caption in page.caption]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_runs_in_both_languages(name: str, language: str) -> None:
    page = open_dashboard(name, lang=language)
    assert re.search("[\u4e00-\u9fff]", page.title[0].value) if language == "zh" else page.title[0].value.isascii()


@pytest.mark.parametrize("name", PAGES)
def test_no_page_shows_the_explanations_of_its_code(name: str) -> None:
    module = ast.parse((ROOT / "dashboard" / f"{name}.py").read_text())
    alone = [each.value for each in module.body if isinstance(each, ast.Expr)]
    explanations = {each.value for each in alone if isinstance(each, ast.Constant)}
    assert explanations.isdisjoint(element.value for element in open_dashboard(name).markdown)


def test_a_broken_checkpoint_is_named_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").touch()
    tables = len(open_dashboard().dataframe)
    page = open_dashboard(add=[str(tmp_path), "no such thing"])
    assert "not valid JSON" in page.warning[0].value
    assert "no such thing" in page.warning[1].value
    assert len(page.dataframe) == tables > 0


def shown(page: AppTest) -> dict[str, list[str]]:
    """The columns of each table by name, with the first one's checkpoints."""
    return {" ".join(table.value["checkpoint"]): list(table.value.columns) for table in page.dataframe}


def test_a_silent_source_holds_nothing_up(local_hub: LocalHub, tmp_path: Path) -> None:
    for name in ("late", "gone"):
        push(evaluated_run(tmp_path / name, [3.0]), f"ada/{name}")
    st.cache_resource.clear()
    with local_hub.fault("GET /api/models/ada/late", silent=50), local_hub.fault("ada/gone", silent=50, status=503):
        page = open_dashboard(add=["ada/late", "ada/gone"])
        assert len(page.dataframe) > 0 and "Still reading: ada/late, ada/gone" in page.info[0].value.replace("\\", "")
        waiting = open_dashboard(add=["ada/late"], figures="FID")
        assert not waiting.dataframe and "Still reading" in waiting.info[0].value
    while any("Still reading" in info.value for info in page.info):
        page.run()
    assert any("ada/late" in list(table.value["checkpoint"]) for table in page.dataframe)
    assert "the Hub has a fault of its own" in page.warning[0].value
    assert any("ada/late" in list(table.value["checkpoint"]) for table in waiting.run().dataframe)
    assert waiting.multiselect(key="figures").value == ["fid"]


def test_ones_own_runs_are_found_come_first_and_show_their_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, fids in (("one", [3.0, 2.0]), ("two", [4.0])):
        run = evaluated_run(tmp_path / "runs" / name, fids)
        (run / "timeline").mkdir()
        lines = [
            Measurement(step=step, samples_seen=8 * step, seconds=step, progress=0, values={"generator_loss": step})
            for step in (1, 2)
        ]
        (run / "timeline" / "measurements.jsonl").write_text("".join(f"{one.model_dump_json()}\n" for one in lines))
    for path in tmp_path.glob("runs/two/*/eval/*.json"):
        path.unlink()
    monkeypatch.chdir(tmp_path)
    st.cache_resource.clear()
    assert next(iter(shown(open_dashboard()))) == "runs/one@step-0000002 runs/one@step-0000001"
    page = open_dashboard("training")
    models = page.selectbox(key="model")
    assert {option.partition(" ")[0] for option in models.options} >= {"runs/one", "runs/two"}
    for model in ("runs/two", next(option for option in models.options if option.startswith("runs/one"))):
        models.set_value(model).run()
        assert not page.exception and "Measured while training" in [text.value for text in page.subheader]
    assert open_dashboard("evaluate").multiselect(key="candidate").value == ["runs/two@step-0000001"]
    monkeypatch.setenv("SPACE_ID", "ada/space")
    st.cache_resource.clear()
    assert not any("runs/" in name for name in shown(open_dashboard()))
    monkeypatch.delenv("SPACE_ID")
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()
    found = open_dashboard(add=str(tmp_path / "runs"))
    assert next(iter(shown(found))).count("one@step") == 2


def test_a_long_table_has_pages(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "run", [float(fid) for fid in range(60, 0, -1)])
    page = open_dashboard(add=str(run), find="run@")
    (table,) = (table.value for table in page.dataframe)
    assert list(table["fid"]) == [float(fid) for fid in range(1, 51)]
    page.session_state[f"page-{toy_result(1.0).protocol.id}"] = 2
    page.run()
    (table,) = (table.value for table in page.dataframe)
    assert not page.exception and list(table["fid"]) == [float(fid) for fid in range(51, 61)]
    page.text_input(key="find").set_value("step-000000").run()
    (table,) = (table.value for table in page.dataframe)
    assert not page.exception and list(table["checkpoint"]) == [f"run@step-000000{step}" for step in range(9, 0, -1)]


def test_the_leaderboard_names_what_judges_put_in_opposite_order(tmp_path: Path) -> None:
    for name, ours, theirs in (("one", 2.0, 5.0), ("two", 3.0, 4.0)):
        run = evaluated_run(tmp_path / name, [ours])
        result = toy_result(theirs)
        protocol = result.protocol.model_copy(update={"extractor": "another", "extractor_hash": "1"})
        write_result(result.model_copy(update={"protocol": protocol}), run / "step-0000001")
    page = open_dashboard(add=[str(tmp_path / "one"), str(tmp_path / "two")], find="step-")
    said = [warning.value.replace("\\", "") for warning in page.warning]
    words = "Which is better depends on the judge, as {} says the opposite: {}@step-0000001 / {}@step-0000001"
    assert sorted(said) == [words.format("another", "one", "two"), words.format("toy-classifier", "two", "one")]


def test_a_copy_is_not_compared_with_what_it_is_a_copy_of(tmp_path: Path) -> None:
    original = evaluated_run(tmp_path / "original", [3.0])
    shutil.copytree(original, tmp_path / "copy")
    page = open_dashboard(
        "compare", add=[str(original), str(tmp_path / "copy"), str(evaluated_run(tmp_path / "worse", [5.0]))]
    )
    first, second = page.multiselect(key="checkpoint").value
    assert first.partition("@")[0] in ("copy", "original") and second == "worse@step-0000001"


def test_a_link_filters_the_leaderboard(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "run", [3.0, 2.0])
    evaluated_run(tmp_path / "other", [1.0], "mlp")
    add = [str(run), str(tmp_path / "other")]
    best = "other@step-0000001 run@step-0000002 run@step-0000001"
    assert best in shown(open_dashboard(add=add))
    assert list(shown(open_dashboard(add=add, find="RUN@"))) == [best.partition(" ")[2]]
    only = open_dashboard(add=add, architecture="mlp", figures=["KID", "FID"], find="@")
    assert shown(only) == {
        "other@step-0000001": ["rank", "checkpoint", "kid", "fid", "family", "architecture", "samples_seen"]
    }
    assert best in shown(open_dashboard(add=add, rank="IS"))


def test_names_may_hold_what_the_pages_write_between_names(tmp_path: Path) -> None:
    runs = [evaluated_run(tmp_path / "me@corp.com" / name, [3.0, 2.0]) for name in ("a · b@c", "a", "x/a")]
    add = list(map(str, runs))
    page = open_dashboard("training", add=add)
    models = page.selectbox(key="model")
    ours = [option for option in models.options if "me@corp.com" in option or "a · b@c" in option]
    assert [option.rpartition(" · ")[0] for option in ours] == ["a · b@c", *add[1:]]
    for option in ours:
        models.set_value(option).run()
        slider = page.select_slider(key="revision")
        assert slider.options == ["step-0000001", "step-0000002"]
        slider.set_value("step-0000001").run()
        assert not page.exception and not page.warning
    page = open_dashboard("compare", add=add)
    protocol = page.selectbox(key="protocol")
    protocol.set_value(next(option for option in protocol.options if option.startswith("toy"))).run()
    page.multiselect(key="checkpoint").set_value(["a · b@c@step-0000001", f"{add[1]}@step-0000002"]).run()
    assert not page.exception and not page.warning
    assert any(
        "is worse than" in text.value and "a · b@c@step" in text.value.replace("\\", "") for text in page.markdown
    )


def test_a_checkpoint_is_the_same_on_every_page_though_others_share_its_name(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "x" / "same", [3.0])
    other = toy_checkpoint().save_pretrained(tmp_path / "y" / "same")
    page = open_dashboard("audit", add=[str(run), str(other)])
    audited = page.selectbox(key="audited")
    audited.set_value(next(option for option in audited.options if option.startswith("same@"))).run()
    next(button for button in page.button if button.label == "Evaluate it here").click().run()
    assert page.multiselect(key="candidate").value == [f"{run}@step-0000001"]


def test_a_name_is_found_in_either_form_of_its_letters(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "modèle", [3.0])
    for form in ("NFC", "NFD"):
        (found,) = shown(open_dashboard(add=str(run), find=normalize(form, "MODÈLE")))
        assert found == "modèle@step-0000001"


def test_equal_numbers_keep_their_own_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table's cells are numbers, by which their texts are found."""
    figures = [Estimate.of_error(1.0, 0.1), Estimate.of_error(1.0, 0.2), None, Estimate.of_error(1.0, 0.1)]
    monkeypatch.syspath_prepend(ROOT / "dashboard")
    from page import as_cells

    cells, texts = as_cells(figures)
    assert [texts.get(cell) for cell in cells if cell] == ["1.00 ± 0.20", "1.00 ± 0.39", "1.00 ± 0.20"]
    assert cells == pytest.approx([1.0, 1.0, None, 1.0])


def test_what_could_not_be_audited_is_said() -> None:
    page = open_dashboard("audit")
    audited = page.selectbox(key="audited")
    audited.set_value(next(option for option in audited.options if "emoji" in option)).run()
    assert "could not audit" in page.info[0].value
    assert any("With few samples" in caption.value for caption in page.caption)


def test_an_evaluation_from_the_page_ends_on_the_leaderboard(digits_folder: Path, tmp_path: Path) -> None:
    mine = toy_checkpoint().save_pretrained(tmp_path / "mine")
    page = open_dashboard("evaluate", add=str(mine))
    page.multiselect(key="candidate").set_value([str(mine)])
    page.selectbox(key="samples").set_value(1000)
    page.selectbox(key="extractor").set_value("mnist-classifier")
    page.text_input(key="against").set_value(str(digits_folder))
    page.button(key="FormSubmitter:evaluation-Add to the queue").click().run()
    while not any("**mine**" in text.value and "done" in text.value for text in page.markdown):
        assert not page.exception and not page.error
        time.sleep(0.5)
        page.run()
    (result,) = read_results(mine)
    table = next(t.value for t in open_dashboard(add=str(mine)).dataframe if "mine" in list(t.value["checkpoint"]))
    assert list(table["fid"]) == [result.figures["fid"].value]


def test_an_evaluation_from_the_page_says_what_went_wrong(tmp_path: Path) -> None:
    toy_checkpoint().save_pretrained(tmp_path / "mine")
    page = open_dashboard("evaluate", add=str(tmp_path / "mine"))
    page.multiselect(key="candidate").set_value([str(tmp_path / "mine")])
    page.text_input(key="against").set_value("nowhere")
    page.button(key="FormSubmitter:evaluation-Add to the queue").click().run()
    assert not page.exception
    while not page.error:
        time.sleep(0.5)
        page.run()
    assert "'nowhere'" in page.error[0].value
    assert any("**mine**" in text.value and "failed" in text.value for text in page.markdown)


def test_sounds_are_shown_with_players_and_spectrograms(tmp_path: Path) -> None:
    protocol = Protocol(dataset="none", dataset_hash="0", num_reference=100, num_samples=100, modality="audio")
    for name, kid in (("first", 1.0), ("second", 2.0)):
        sounds_checkpoint().save_pretrained(tmp_path / name)
        figures = {"kid": Estimate(value=kid, low=kid - 0.1, high=kid + 0.1)}
        write_result(Result(protocol=protocol, figures=figures), tmp_path / name)
    page = open_dashboard("compare", add=[str(tmp_path / "first"), str(tmp_path / "second")])
    box = page.selectbox(key="protocol")
    box.set_value(next(option for option in box.options if "none" in option)).run()
    assert not page.exception and not page.warning
    players = page.get("audio")
    assert len(players) == 16 and all(player.proto.url.endswith(".wav") for player in players)
    assert len(page.get("image")) == 16
