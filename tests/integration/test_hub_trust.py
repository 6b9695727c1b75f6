"""Repositories made with bad intent: nothing in them runs, fills the disk or the memory, or leaves its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint import layout
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE, FileKind
from aigc_core.cli import main
from aigc_core.hub.files import MAX_FILES
from aigc_core.hub.pull import pull
from aigc_core.hub.push import push
from aigc_core.hub.revisions import read_revisions
from aigc_core.serving.leaderboard import collect
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The files of a good checkpoint."""
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    return {name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE)}


def config_with(files: dict[str, bytes], **changes: object) -> bytes:
    return json.dumps(json.loads(files[CONFIG_FILE]) | changes).encode()


def refusal(call) -> str:
    with pytest.raises(AIGCError) as caught:
        call()
    return str(caught.value)


def test_only_files_of_a_checkpoint_are_fetched_and_none_leaves_its_folder(
    local_hub: LocalHub, files: dict[str, bytes], tmp_path: Path
) -> None:
    evil = ["modeling.py", "setup.sh", "pytorch_model.bin", "eval/model.pkl", "training_state/state.safetensors"]
    paths = ["../evil.json", "eval/../../../evil.json", "/tmp/evil.json", "eval/..\\evil.json", "eval/.evil.json"]
    local_hub.add("bob/mixed", files | {name: b"evil" for name in evil + paths})
    before = set(tmp_path.rglob("*"))
    folder = pull("bob/mixed")
    read_revisions("bob/mixed")
    assert {path.name for path in folder.rglob("*")} == {CONFIG_FILE, WEIGHTS_FILE}
    new = [path for path in set(tmp_path.rglob("*")) - before if path.is_file() and "evil" in path.name]
    assert not new and not [call for call in local_hub.calls() if "evil" in call or "modeling" in call]
    assert Checkpoint.from_pretrained("bob/mixed").sample(seed=1, count=1).images.shape[0] == 1


def test_a_pickle_is_no_checkpoint(local_hub: LocalHub) -> None:
    local_hub.add("bob/pickle", {"pytorch_model.bin": b"\x80\x04evil"})
    assert "pytorch_model.bin, a pickle, which can run code" in refusal(lambda: pull("bob/pickle"))
    assert not local_hub.calls("/resolve/|/storage/")


def test_the_weights_of_another_library_are_a_pickle_too(local_hub: LocalHub, tmp_path: Path) -> None:
    """Beside a config and code of their own, on the Hub and in a folder."""
    theirs = {
        CONFIG_FILE: b'{"auto_map": {"AutoModel": "modeling.Model"}}',
        "modeling.py": b"raise SystemExit",
        "pytorch_model.bin": b"\x80\x04evil",
    }
    local_hub.add("bob/theirs", theirs)
    (tmp_path / "theirs").mkdir()
    for name, content in theirs.items():
        (tmp_path / "theirs" / name).write_bytes(content)
    for reference in ("bob/theirs", str(tmp_path / "theirs")):
        expected = f"'{reference}' holds pytorch_model.bin, a pickle, which can run code"
        with pytest.raises(AIGCError) as caught:
            Checkpoint.from_pretrained(reference)
        assert str(caught.value).startswith(expected)
        (entry,) = collect([reference])
        assert entry.problem.startswith(expected)
    assert not local_hub.calls("/resolve/|/storage/")


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE, "samples.png", "eval/a.json"])
def test_a_file_too_large_is_not_fetched(local_hub: LocalHub, files: dict[str, bytes], name: str) -> None:
    repository = local_hub.add("bob/large", files | {name: files.get(name, b"x")})
    repository.at("main").files[name]["size"] = 2**40
    assert f"{name} is larger than" in refusal(lambda: pull("bob/large"))
    assert f"{name} is larger than" in read_revisions("bob/large")[0].problem
    assert not local_hub.calls("/resolve/|/storage/")


def test_a_new_kind_of_file_is_one_entry_of_the_layout(
    local_hub: LocalHub, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy" / "vocabulary.txt").write_text("A text.")
    push(tmp_path / "toy", "ada/before")
    assert "vocabulary.txt" not in local_hub.files("ada/before")
    kind = FileKind("vocabulary.txt", 7, in_summary=True)
    monkeypatch.setattr(layout, "FILE_KINDS", (*layout.FILE_KINDS, kind))
    push(tmp_path / "toy", "ada/toy")
    (revision,) = read_revisions("ada/toy")
    assert revision.folder and (revision.folder / "vocabulary.txt").read_text() == "A text."
    assert (pull("ada/toy") / "vocabulary.txt").read_text() == "A text."
    local_hub.add("ada/toy", {"vocabulary.txt": b"A longer text."})
    assert "vocabulary.txt is larger than" in refusal(lambda: pull("ada/toy"))


def test_a_repository_of_many_files_is_not_fetched(local_hub: LocalHub, files: dict[str, bytes]) -> None:
    local_hub.add("bob/many", files | {f"eval/{number}.json": b"{}" for number in range(MAX_FILES)})
    assert "has over 500 files" in refusal(lambda: pull("bob/many"))
    assert not local_hub.calls("/resolve/|/storage/")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"architecture": "os.system"}, "os.system"),
        ({"auto_map": {"AutoModel": "modeling.Evil"}}, "unknown key 'auto_map'"),
        ({"architecture_config": {"latent_dim": 24, "generator_width": 10**9, "max_width": 10**9}}, ""),
        ({"architecture_config": {"latent_dim": 10**12}}, ""),
        ({"shape": {"channels": 3, "resolution": 2**30}}, "'resolution' is wrong"),
        ({"format_version": 1, "image_shape": {"channels": 3, "resolution": 2**30}}, "'resolution' is wrong"),
        ({"modality": "os.system"}, "os.system"),
        ({"family": "os.system"}, "os.system"),
    ],
)
def test_a_config_is_checked_before_anything_is_built(
    local_hub: LocalHub, files: dict[str, bytes], changes: dict, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    local_hub.add("bob/odd", files | {CONFIG_FILE: config_with(files, **changes)})
    assert main(["pull", "bob/odd"]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("error: ") and error.count("\n") == 1
    assert "snapshots" not in error  # the repository is named, and not where the cache has it


@pytest.mark.parametrize("content", [b"[" * 900_000, b"\xff\xfe", b"3", b'{"step": NaN}'])
def test_a_config_that_is_no_config(local_hub: LocalHub, files: dict[str, bytes], content: bytes) -> None:
    local_hub.add("bob/odd", files | {CONFIG_FILE: content})
    refusal(lambda: Checkpoint.from_pretrained("bob/odd"))


@pytest.mark.parametrize("content", [b"", b"\xff" * 7, b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", b"\x80\x04evil" * 100])
def test_weights_that_are_no_safetensors(local_hub: LocalHub, files: dict[str, bytes], content: bytes) -> None:
    local_hub.add("bob/odd", files | {WEIGHTS_FILE: content})
    assert WEIGHTS_FILE in refusal(lambda: Checkpoint.from_pretrained("bob/odd"))


def test_names_of_revisions_do_not_become_paths(local_hub: LocalHub, files: dict[str, bytes], tmp_path: Path) -> None:
    repository = local_hub.add("bob/names", files)
    for name in ("../../../evil", "/tmp/evil", "a//b", "..", ""):
        repository.branches[name] = repository.branches["main"]
    repository.branches["not-a-commit"] = "../../../evil"
    assert [revision.name for revision in read_revisions("bob/names")] == ["main"]
    assert not list(tmp_path.rglob("*evil*"))
    for name in ("../../../evil", "..", "a//b"):
        assert "is not the name of a revision" in refusal(lambda name=name: pull("bob/names", name))
    for repo_id in ("../evil", "bob/../../evil", "bob/names/..", "http://evil/x"):
        assert "is not a name on the Hub" in refusal(lambda repo_id=repo_id: pull(repo_id))


def test_a_benchmark_that_would_grow_without_end(local_hub: LocalHub, files: dict[str, bytes], tmp_path: Path) -> None:
    """Aliases of YAML: ten lines that would be 10^9 words when written out."""
    lines = ["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]
    local_hub.add("bob/bench", {"eval.yaml": "\n".join([*lines, "tasks: [{id: *a9}]"]).encode()}, "datasets")
    assert main(["push", str(tmp_path / "toy"), "ada/toy", "--benchmark", "bob/bench"]) == 2
