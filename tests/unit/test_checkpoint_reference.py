"""References to checkpoints: what is a folder's name, what a revision, and what the Hub is asked for."""

from __future__ import annotations

import os
import subprocess
from contextlib import nullcontext
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aigc_core import AIGCError, Checkpoint
from aigc_core.access import SHIPPED, check_reference
from aigc_core.checkpoint.reference import CheckpointReference
from aigc_core.cli import main
from aigc_core.demo import header
from aigc_core.demo.models import earlier_steps
from aigc_core.demo.pictures import write_samples
from aigc_core.hub.faults import HubUnreachable
from aigc_core.hub.push import push
from aigc_core.hub.resolve import resolve_reference
from aigc_core.loading import find_checkpoint
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample
from aigc_core.serving.leaderboard import collect, labels, model_names
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint
from tests.toy_results import evaluated_run

awkward = st.text(st.sampled_from("@/a.~-1 e\u0301\u00e9")) | st.text(st.characters(exclude_categories=["Cs"]))
revisions = st.sampled_from(["main", "step-0003907", "step-1"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which everything that is named relatively would lie."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("text", "location", "revision"),
    [
        ("owner/name", "owner/name", ""),
        ("owner/name@main", "owner/name", "main"),
        ("owner/name@v1.0/rc", "owner/name", "v1.0/rc"),
        ("owner/name@", "owner/name", ""),
        ("/home/me@corp.com/mnist", "/home/me@corp.com/mnist", ""),
        ("/home/me@corp.com/mnist@step-0003907", "/home/me@corp.com/mnist", "step-0003907"),
        ("me@corp.com/mnist@main", "me@corp.com/mnist", "main"),
        ("owner/name@corp/mnist@step-1", "owner/name@corp/mnist", "step-1"),
        ("run@corp", "run@corp", ""),
        ("run@step-1@", "run@step-1", ""),
        ("~/run@step-1", "~/run", "step-1"),
        ("https://example.org/a/b", "https://example.org/a/b", ""),
        ("@", "", ""),
        ("", "", ""),
    ],
)
def test_what_is_location_and_what_revision(here: Path, text: str, location: str, revision: str) -> None:
    assert CheckpointReference.parse(text) == CheckpointReference(location, revision)


@given(awkward, revisions | st.just(""))
@example("a/b@c", "")
@example("x@main", "")
@example("x@step-1@", "step-2")
@example("x@", "")
@example("/@1", "")
def test_references_are_read_back(location: str, revision: str) -> None:
    reference = CheckpointReference(location, revision)
    assert CheckpointReference.parse(str(reference)) == reference


@given(awkward)
def test_any_text_is_a_reference_that_is_read_back(text: str) -> None:
    reference = CheckpointReference.parse(text)
    assert CheckpointReference.parse(str(reference)) == reference


def test_a_folder_that_exists_wins_over_splitting_its_name(here: Path) -> None:
    for name in ("me@corp/run", "run@step-1", "run@main", "a/b@c"):
        (here / name).mkdir(parents=True)
        assert CheckpointReference.parse(name) == CheckpointReference(name)
        assert CheckpointReference.parse(f"{name}@step-2") == CheckpointReference(name, "step-2")
        assert CheckpointReference.parse(str(here / name)) == CheckpointReference(str(here / name))


def test_composed_and_decomposed_forms_of_a_folder_are_one(here: Path) -> None:
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        name = normalize(form, f"modèle {form}")
        step = toy_checkpoint().save_pretrained(here / name / "step-0000001")
        typed = normalize(other, name)
        assert CheckpointReference.parse(f"{typed}@step-0000001") == CheckpointReference(name, "step-0000001")
        assert resolve_reference(typed).resolve() == resolve_reference(f"{typed}@step-0000001").resolve() == step
        assert resolve_reference(str(here / typed)) == step


def test_everything_works_below_a_folder_with_an_at_sign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = evaluated_run(tmp_path / "me@corp.com" / "runs" / "one, two", [3.0, 2.0])
    steps = [f"{run}@step-0000001", f"{run}@step-0000002"]
    assert resolve_reference(run) == resolve_reference(steps[1]) == run / "step-0000002"
    assert resolve_reference(steps[0]) == run / "step-0000001"
    entries = collect([str(run)])
    assert [entry.reference for entry in entries] == steps == [e.reference for s in steps for e in collect([s])]
    assert {entry.model for entry in entries} == {str(run)}
    assert [entry.revision for entry in entries] == ["step-0000001", "step-0000002"]
    assert list(labels(entries).values()) == ["one, two@step-0000001", "one, two@step-0000002"]
    assert main(["compare", *steps]) == 0 and "worse" in capsys.readouterr().out
    assert earlier_steps(str(run)) == ["step-0000001", "step-0000002"]
    assert find_checkpoint(steps[0]) == run / "step-0000001"
    model, step, reference = header.chosen(steps[0], None)
    assert (model.value, step.value, reference) == (str(run), "step-0000001", steps[0])
    assert header.reference_of(str(run), "step-0000002") == steps[1]
    assert header.reference_of(str(run), "") == str(run)
    request = SampleRequest(checkpoint=steps[0], seed=7)
    (file,) = write_samples(sample(toy_checkpoint(), request).stored, request, toy_checkpoint(), tmp_path)
    assert file.name == "one, two-seed-7.png" and file.is_file()


def test_folders_of_one_name_are_models_of_their_own(tmp_path: Path) -> None:
    for place in ("x", "y"):
        evaluated_run(tmp_path / place / "run", [3.0, 2.0])
    other = evaluated_run(tmp_path / "z" / "other", [3.0])
    sources = [f"{tmp_path}/x/run@step-0000001", f"{tmp_path}/y/run@step-0000002", str(other)]
    entries = collect(sources)
    assert list(model_names(entries).values()) == [f"{tmp_path}/x/run", f"{tmp_path}/y/run", "other"]
    assert list(labels(entries).values()) == [*sources[:2], "other@step-0000001"]


def test_groups_of_folders_with_a_comma_are_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(("x,y", "z", "u,v")):
        step = evaluated_run(here / name, [3.0 + number / 10]) / "step-0000001"
        config = step / "config.json"
        config.write_text(config.read_text().replace('"recipe": {}', f'"recipe": {{"seed": {number}}}'))
    assert main(["compare", "x,y", "z"]) == 0
    assert capsys.readouterr().out.startswith("x,y and z cannot be told apart: ")
    assert main(["compare", r"x\,y,z", r"u\,v,x\,y"]) == 0
    assert main(["compare", "x,z", "z"]) == 2
    assert "no folder 'x' here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("checkpoints/fashon-mnist", "near it are 'checkpoints/fashion-mnist'"),
        ("checkpoints/mnits@step-0000001", "near it are 'checkpoints/mnist@step-0000001'"),
        ("checkpoints/zzz", "name a checkpoint's"),
        ("./checkpoints/fashon-mnist", "near it are 'checkpoints/fashion-mnist'"),
        ("checkpoint", "name a checkpoint's"),
        ("mine", "near it are 'mine2'"),
        ("./x/y", "name a checkpoint's"),
        ("../x", "name a checkpoint's"),
        ("/nowhere/at/all", "name a checkpoint's"),
        ("a/b/c", "name a checkpoint's"),
        ("a b", "name a checkpoint's"),
    ],
)
def test_a_misspelt_folder_is_no_question_to_the_hub(local_hub: LocalHub, here: Path, typed: str, near: str) -> None:
    for name in ("checkpoints/fashion-mnist", "checkpoints/mnist/step-0000001", "mine2"):
        (here / name).mkdir(parents=True)
        (here / name / "config.json").touch()
    (here / "checkpoints" / "fashion-mints").mkdir()  # no checkpoint
    local_hub.seen.clear()
    with pytest.raises(AIGCError, match="There is no folder") as caught:
        resolve_reference(typed)
    assert near in str(caught.value) and typed in str(caught.value)
    assert not local_hub.seen


def test_what_may_be_a_misspelt_folder_is_called_one_when_the_hub_has_no_answer(
    local_hub: LocalHub, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "checkpoints" / "mnist").mkdir(parents=True)
    (here / "checkpoints" / "mnist" / "config.json").touch()
    said = "There is no folder 'checkpoint/mnits' here (near it are 'checkpoints/mnist'); on the Hub, "
    for fault, why in ((None, "it is not on the Hub"), ({"status": 500}, "the Hub has a fault of its own")):
        with local_hub.fault("/api/models/", **fault) if fault else nullcontext():
            with pytest.raises(AIGCError) as caught:
                resolve_reference("checkpoint/mnits")
            assert said in str(caught.value) and why in str(caught.value)
            assert isinstance(caught.value, HubUnreachable) == bool(fault)
            assert said in collect(["checkpoint/mnits"])[0].problem
    with pytest.raises(AIGCError, match="There is no folder 'runs/mine' here; on the Hub"):
        resolve_reference("runs/mine")
    monkeypatch.setenv("SPACE_ID", "ada/space")
    with pytest.raises(AIGCError, match="^'checkpoint/mnits': it is not on the Hub"):
        resolve_reference("checkpoint/mnits")


def test_a_model_that_shipped_once_is_named_and_brought_back_by_the_command(local_hub: LocalHub, here: Path) -> None:
    local_hub.seen.clear()
    for name in ("checkpoints/fashion-mnist-large", "fashion-mnist-large", f"{SHIPPED}/fashion-mnist-large"):
        for find in (resolve_reference, find_checkpoint):
            with pytest.raises(AIGCError, match="'fashion-mnist-large' does not ship any more") as caught:
                find(name)
    assert not local_hub.seen
    with pytest.raises(AIGCError, match="is not on the Hub"):
        resolve_reference("ada/fashion-mnist-large")
    if (SHIPPED.parent / ".git" / "shallow").exists() or not (SHIPPED.parent / ".git").exists():
        pytest.skip("this copy of the project has no history to bring a model back from")
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", SHIPPED.parent, "clone"], check=True)
    subprocess.run(str(caught.value).split("`")[1], shell=True, check=True, cwd="clone")
    assert resolve_reference("clone/checkpoints/fashion-mnist-large") == Path("clone/checkpoints/fashion-mnist-large")
    assert Checkpoint.from_pretrained("clone/checkpoints/fashion-mnist-large").config.samples_seen == 7_537_152


def test_what_is_not_here_is_asked_of_the_hub(local_hub: LocalHub, here: Path) -> None:
    push(evaluated_run(here / "run", [3.0, 2.0]), "ada/one")
    assert (resolve_reference("ada/one@step-0000001") / "config.json").is_file()
    assert earlier_steps("ada/one") == ["step-0000001", "step-0000002"]
    files = {"config.json": (here / "run" / "step-0000001" / "config.json").read_bytes()}
    for branch in ("step-x", "step-", "step-00000010"):
        local_hub.add("ada/one", files, branch=branch)
    assert earlier_steps("ada/one") == ["step-0000001", "step-0000002", "step-00000010"]
    choices = header.chosen("ada/one@step-x", None)[1].choices
    assert [value for _, value in choices] == ["", "step-00000010", "step-0000002", "step-0000001", "step-x"]
    os.mkdir("ada")
    with pytest.raises(AIGCError, match="no folder 'ada/one'"):
        resolve_reference("ada/one")
    # What the Hub itself lists is read from there, whatever folders lie here.
    assert [entry.reference for entry in collect(["tag:aigc-studio"]) if entry.results]


@pytest.mark.parametrize(
    "reference",
    [
        "{here}", "{here}@main", "../here", "~", "{here}/a@b@step-1", "run/x", "a\0b", "x" * 5000, "",
        "checkpoints/../../here", "~nobody-of-that-name/x", "{shipped}/../tests", "{shipped}@x/../../tests",
    ],
)  # fmt: skip
def test_strangers_open_no_folder_but_a_shipped_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    from aigc_core.access import SHIPPED

    (here / "run" / "x").mkdir(parents=True)
    monkeypatch.setenv("SPACE_ID", "ada/space")
    with pytest.raises(AIGCError, match="cannot be opened here"):
        check_reference(reference.format(here=here, shipped=SHIPPED))
    for open_to_all in (str(SHIPPED / "mnist"), f"{SHIPPED}/fashion-mnist@step-0007813", "ada/one", "ada/one@step-1"):
        check_reference(open_to_all)
