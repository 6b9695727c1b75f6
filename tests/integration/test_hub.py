"""The real client against the local Hub over HTTP: what is pushed comes back, is found, described and stays private."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
import yaml
from huggingface_hub import EvalResult, HfApi, ModelCard
from huggingface_hub._eval_results import parse_eval_result_entries

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.layout import CONFIG_FILE, SAMPLES_FILE, WEIGHTS_FILE
from aigc_core.cli import main
from aigc_core.evaluation.results import Protocol, Result, write_result
from aigc_core.hub.listing import list_checkpoints
from aigc_core.hub.pull import pull
from aigc_core.hub.push import push
from aigc_core.hub.revisions import list_revisions
from aigc_core.metrics.estimate import Estimate
from tests.local_hub import LocalHub, repositories
from tests.processes import ROOT, answering, assert_one_sentence, free_port
from tests.toy_models import toy_checkpoint

PROTOCOL = Protocol(
    dataset="mnist",
    dataset_hash="0",
    num_reference=1000,
    resolution=28,
    channels=1,
    extractor="e",
    extractor_hash="0",
    num_samples=1000,
)
FIGURES = {"fid": Estimate(value=7.5, low=7.25, high=7.75), "recall": Estimate(value=0.5, low=0.4, high=0.6)}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run of two steps, each with samples and a result."""
    for step in ("step-0000100", "step-0000200"):
        folder = toy_checkpoint().save_pretrained(tmp_path / "run" / step)
        (folder / SAMPLES_FILE).write_bytes(b"\x89PNG")
        (folder / "training_state").mkdir()
        (folder / "training_state" / "optimiser.pt").write_bytes(b"not pushed")
        write_result(Result(protocol=PROTOCOL, figures=FIGURES), folder)
    return tmp_path / "run"


def test_a_run_comes_back_as_it_was_pushed(local_hub: LocalHub, run_folder: Path) -> None:
    push(run_folder, "ada/toy")
    for reference, step in (("ada/toy", "step-0000200"), ("ada/toy@step-0000100", "step-0000100")):
        pulled = Checkpoint.from_pretrained(reference)
        assert pulled.path is not None
        for name in (CONFIG_FILE, WEIGHTS_FILE, SAMPLES_FILE, f"eval/{PROTOCOL.id}.json"):
            assert (pulled.path / name).read_bytes() == (run_folder / step / name).read_bytes()
    assert [revision.name for revision in list_revisions("ada/toy")] == ["main", "step-0000100", "step-0000200"]


def test_a_push_is_one_commit_of_what_belongs_to_a_checkpoint(local_hub: LocalHub, run_folder: Path) -> None:
    push(run_folder / "step-0000100", "ada/toy", revision="step-0000100")
    repository = local_hub.repositories[("models", "ada/toy")]
    assert [commit.message for commit in repository.commits.values()] == [
        "initial commit",
        "Upload the checkpoint after 0 steps",
    ]
    own = {CONFIG_FILE, WEIGHTS_FILE, SAMPLES_FILE, "README.md", f"eval/{PROTOCOL.id}.json"}
    assert set(local_hub.files("ada/toy", "step-0000100")) == own | {".gitattributes"}
    assert set(local_hub.files("ada/toy")) == {".gitattributes"}
    # What a later state no longer has, goes; pushing the same again is no new commit.
    (run_folder / "step-0000100" / SAMPLES_FILE).unlink()
    push(run_folder / "step-0000100", "ada/toy", revision="step-0000100")
    push(run_folder / "step-0000100", "ada/toy", revision="step-0000100")
    assert SAMPLES_FILE not in local_hub.files("ada/toy", "step-0000100") and len(repository.commits) == 3


def test_a_push_names_no_folder_of_the_machine(local_hub: LocalHub, tmp_path: Path) -> None:
    checkpoint = toy_checkpoint()
    recipe = {"data": "/home/ada/secret/photos", "parent": "~/secret/run@step-0000100"}
    checkpoint.config = checkpoint.config.model_copy(
        update={"dataset": recipe["data"], "parent": recipe["parent"], "recipe": recipe}
    )
    push(checkpoint.save_pretrained(tmp_path / "model"), "ada/toy")
    config = Checkpoint.from_pretrained("ada/toy").config
    assert (config.dataset, config.parent) == ("photos", "run@step-0000100")
    assert config.recipe == {"data": "photos", "parent": "run@step-0000100"}
    for content in local_hub.files("ada/toy").values():
        assert b"secret" not in content
    assert Checkpoint.from_pretrained(tmp_path / "model").config.dataset == recipe["data"]


def test_the_card_says_what_it_is_and_how_well_it_does(local_hub: LocalHub, run_folder: Path) -> None:
    """As the Hub's own parser of cards reads it."""
    push(run_folder / "step-0000100", "ada/toy", revision="step-0000100")
    card = ModelCard(local_hub.files("ada/toy", "step-0000100")["README.md"].decode())
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert {"aigc-studio", "class-conditional-image-generation"} <= set(card.data.tags or [])
    found: dict[str, EvalResult] = {result.metric_type: result for result in card.data.eval_results or []}
    assert {name: result.metric_value for name, result in found.items()} == {"fid": 7.5, "recall": 0.5}
    assert found["fid"].dataset_type == "ylecun/mnist" and found["fid"].dataset_split == "test"
    assert found["fid"].metric_args["low"] == 7.25 and found["fid"].metric_args["high"] == 7.75
    for text in ("ada/toy@step-0000100", "7.25 … 7.75", "Licence of the data", "## Limits", SAMPLES_FILE):
        assert text in card.content


def test_private_stays_private(local_hub: LocalHub, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(run_folder, "ada/own", private=True)
    pull("ada/own")
    with pytest.raises(AIGCError, match="is not on the Hub, or is private"):
        pull("ada/own", token="hf_local_bob")
    assert not list_checkpoints("ada", token="hf_local_bob") and list_checkpoints("ada")[0].private
    push(run_folder, "ada/open")
    with pytest.raises(AIGCError, match="exists and is public, so nothing was uploaded"):
        push(run_folder, "ada/open", private=True)
    # Where strangers use the process, what lies in the cache is nobody's.
    commit = local_hub.repositories[("models", "ada/own")].branches["main"]
    monkeypatch.setenv("SPACE_ID", "ada/studio")
    monkeypatch.delenv("HF_TOKEN")
    for revision in (commit, "main"):
        with pytest.raises(AIGCError, match="is not on the Hub, or is private"):
            pull("ada/own", revision)
        with local_hub.fault("/api/models/", status=500), pytest.raises(AIGCError, match="try again later"):
            pull("ada/own", revision)


def test_lists_by_owner_tag_and_collection(
    local_hub: LocalHub, run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(repositories, "PAGE_SIZE", 2)
    for name in ("a", "b", "c"):
        push(run_folder / "step-0000100", f"ada/{name}")
    local_hub.add("bob/other", {"README.md": b"---\ntags:\n- other\n---\n"})
    collection = HfApi(endpoint=local_hub.endpoint).create_collection("Best ones", namespace="ada")
    for repo_id in ("ada/b", "bob/other"):
        HfApi(endpoint=local_hub.endpoint).add_collection_item(collection.slug, repo_id, "model")
    asked = {
        "--owner ada": ["ada/c", "ada/b", "ada/a"],
        "--owner bob": [],
        "--owner bob --tag other": ["bob/other"],
        f"--collection {collection.slug}": ["ada/b"],
        f"--collection {collection.slug} --tag other": ["bob/other"],
        "--tag class-conditional-image-generation": ["ada/c", "ada/b", "ada/a"],
    }
    for words, expected in asked.items():
        assert main(["list", *words.split()]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == expected, words
    local_hub.repositories.pop(("models", "ada/b"))  # what a collection names may be gone
    assert main(["list", "--collection", collection.slug, "--tag", "other"]) == 0
    assert main(["list", "--collection", collection.slug]) == 0
    captured = capsys.readouterr()
    assert captured.out.split()[0] == "bob/other" and "No checkpoint found" in captured.err
    assert main(["list", "ada/a"]) == 0
    commit = local_hub.repositories[("models", "ada/a")].branches["main"]
    assert capsys.readouterr().out == f"ada/a@main {commit}\n"


def test_a_benchmark_gets_its_figures(local_hub: LocalHub, run_folder: Path) -> None:
    """As the Hub's own parser of `.eval_results` reads it; a later push without the claim takes it back."""
    tasks = [{"id": "digits/mnist_fid"}, {"id": "recall", "split": "test"}, {"id": "fid", "split": "train"}]
    local_hub.add("bob/bench", {"eval.yaml": yaml.safe_dump({"name": "Digits", "tasks": tasks}).encode()}, "datasets")
    folder = str(run_folder / "step-0000100")
    assert main(["push", folder, "ada/toy", "--benchmark", "bob/bench"]) == 0
    written = local_hub.files("ada/toy")[".eval_results/aigc-studio.yaml"]
    entries = parse_eval_result_entries(yaml.safe_load(written))
    assert [(e.dataset_id, e.task_id, e.value) for e in entries] == [
        ("bob/bench", "digits/mnist_fid", 7.5),
        ("bob/bench", "recall", 0.5),
    ]
    assert "95 % interval 7.25 to 7.75" in str(entries[0].notes)
    assert main(["push", folder, "ada/toy"]) == 0
    assert ".eval_results/aigc-studio.yaml" not in local_hub.files("ada/toy")


def test_what_is_no_benchmark_is_a_sentence(
    local_hub: LocalHub, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local_hub.add("bob/data", {"README.md": b""}, "datasets")
    local_hub.add("bob/odd", {"eval.yaml": b"tasks: 3"}, "datasets")
    local_hub.add("bob/speech", {"eval.yaml": b"tasks: [{id: word_error_rate}]"}, "datasets")
    local_hub.add("uoft-cs/cifar10", {"eval.yaml": b"tasks: [{id: fid}]"}, "datasets")
    said = {"data": "is not a benchmark", "odd": "is not a benchmark", "speech": "ends in the name of a figure"}
    for name, sentence in said.items():
        assert main(["push", str(run_folder), "ada/toy", "--benchmark", f"bob/{name}"]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["push", str(run_folder), "ada/toy", "--benchmark", "uoft-cs/cifar10"]) == 2
    assert "figure that this checkpoint has on its data" in capsys.readouterr().err
    assert ("models", "ada/toy") not in local_hub.repositories


def test_offline_works_from_the_cache(
    local_hub: LocalHub, run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    push(run_folder, "ada/toy")
    online = {
        reference: Checkpoint.from_pretrained(reference).path for reference in ("ada/toy", "ada/toy@step-0000100")
    }
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    local_hub.seen.clear()
    assert {reference: Checkpoint.from_pretrained(reference).path for reference in online} == online
    for words in (["pull", "ada/toy@step-0000200"], ["list"], ["push", str(run_folder), "ada/toy"]):
        assert main(words) == 2
        assert "HF_HUB_OFFLINE forbids asking the Hub" in capsys.readouterr().err
    assert not local_hub.calls()


def test_the_token_appears_nowhere(
    local_hub: LocalHub,
    run_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert main(["push", str(run_folder), "ada/toy", "--private"]) == 0
    assert main(["pull", "ada/toy"]) == 0
    assert main(["list", "--owner", "ada"]) == 0
    with local_hub.fault("/api/models/ada/toy", status=401):
        assert main(["pull", "ada/toy"]) == 2
    with pytest.raises(AIGCError) as caught:
        pull("bob/none", token="hf_local_ada")
    shown = capsys.readouterr()
    assert "hf_local_ada" not in shown.out + shown.err + caplog.text + str(caught.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20 and not [path for path in files if b"hf_local_ada" in path.read_bytes()]
    # It was sent to the Hub alone, and not to the host that stores the contents.
    assert {seen.token for seen in local_hub.seen if not seen.call.split()[1].startswith(("/storage", "/lfs"))} == {
        "hf_local_ada"
    }
    assert {seen.token for seen in local_hub.seen if seen.call.split()[1].startswith(("/storage", "/lfs"))} == {""}


def test_the_hub_that_is_started_by_hand_takes_the_commands_it_prints(tmp_path: Path) -> None:
    """Without an account: what `python -m tests.local_hub` says to export and to type."""
    port, root = free_port(), Path(__file__).parents[2]
    words = [sys.executable, "-u", "-m", "tests.local_hub", "--port", str(port)]
    server = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True)
    with answering(server, f"http://127.0.0.1:{port}/api/models"):
        assert server.stdout is not None
        lines = list(takewhile(lambda line: not line.startswith("A fault"), server.stdout))
        exported = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if "export" in line)
        commands = [line.split()[1:] for line in lines if line.startswith("python -m aigc_core")]
        assert [command[2] for command in commands] == ["push", "list", "sample"]
        for command in commands:
            if command[2] == "sample":
                command[-1] = str(tmp_path / "pictures")
            done = subprocess.run(
                [sys.executable, *command], cwd=root, env=os.environ | exported, capture_output=True, text=True,
                check=True,
            )  # fmt: skip
            if command[2] == "list":
                assert done.stdout.startswith("ada/mnist ")
    assert len(list((tmp_path / "pictures").iterdir())) == 16


def test_an_endpoint_may_end_in_a_slash(local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(toy_checkpoint().save_pretrained(tmp_path / "toy"), "ada/toy")
    monkeypatch.setenv("HF_ENDPOINT", f"{local_hub.endpoint}/")
    script = "from aigc_core.cli import main; print(main(['list']), main(['pull', 'ada/toy']))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    listed, pulled, statuses = result.stdout.splitlines()
    assert "toy" in listed and "toy" in pulled and statuses == "0 0", result.stderr


def test_an_endpoint_that_is_no_address_is_called_by_its_name(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "aigc_core", "pull", "ada/toy", "--out", str(tmp_path / "toy")],
        cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"HF_ENDPOINT": "huggingface.co"},
    )  # fmt: skip
    assert_one_sentence(result, "HF_ENDPOINT is 'huggingface.co', which is no address")
