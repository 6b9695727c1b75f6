"""Programs on terminals of any encoding, and their ends: errors, ^C, readers that have seen enough."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from zipfile import ZipFile

import pytest

import app
from aigc_core.cli import COMMANDS, main
from aigc_core.commands.evaluate import _expanded
from aigc_core.demo.models import offered_models
from aigc_core.hub.push import push
from aigc_core.serving.leaderboard import own_sources
from aigc_core.terminal import run_program
from tests.local_hub import LocalHub
from tests.processes import assert_one_sentence, run_here
from tests.toy_models import toy_checkpoint
from tests.toy_results import evaluated_run

ROOT = Path(__file__).parents[2]
ENCODINGS = ("ascii", "cp1252", "iso-8859-1")


@contextmanager
def narrow_terminal(encoding: str) -> Iterator[io.BytesIO]:
    """What is written meanwhile to stdout and stderr of an encoding that lacks characters, as Python opens them."""
    written = io.BytesIO()
    stdout, stderr = (io.TextIOWrapper(written, encoding, write_through=True) for _ in range(2))
    with redirect_stdout(stdout), redirect_stderr(stderr):
        yield written
    for stream in (stdout, stderr):
        stream.detach()  # else it closes what it wrote to


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_printed_in_any_encoding(encoding: str, command: str) -> None:
    with narrow_terminal(encoding) as written, pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0 and b"--help" in written.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_results_and_errors_are_printed_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    checkpoint = toy_checkpoint().save_pretrained(tmp_path / "模型")
    pair = [str(ROOT / "checkpoints" / name) for name in ("fashion-mnist", "fashion-mnist/step-0007813")]
    with narrow_terminal(encoding) as written:
        assert main(["compare", *pair, "--figure", "fid_infinity"]) == 0
        assert main(["export", str(checkpoint), str(tmp_path / "出口")]) == 0
        assert main(["sample", "没有", "--out", "x.png"]) == 2
    assert all(text in written.getvalue() for text in (b"FID?", b"/??\n", b"'??'"))


@pytest.mark.parametrize("name", ["", " "])
@pytest.mark.parametrize(
    "words",
    [
        ["sample", "checkpoints/mnist-mlp", "--out"],
        ["train", "--preset", "mnist", "--out"],
        ["report", "checkpoints/fashion-mnist", "--out"],
        ["convert", "model.onnx", "--out"],
        ["pull", "ada/model", "--out"],
        ["export", "checkpoints/mnist-mlp"],
    ],
    ids=lambda words: words[0],
)
def test_nothing_is_written_to_a_name_that_is_empty(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
    monkeypatch.chdir(tmp_path)
    assert_one_sentence(run_here(capsys, *words, name), "is empty")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_a_name_that_no_file_can_have_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_sentence(run_here(capsys, "sample", "checkpoints/mnist-mlp", "--out", "x" * 300), "File name too long")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A link to a folder that nobody may read, root neither."""
    (tmp_path / "closed").symlink_to("/proc/1/cwd")
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("the working folder of process 1 is open here")
    return tmp_path / "closed"


@pytest.mark.parametrize(
    "words",
    [
        "train --preset folder --data CLOSED/pictures --out OUT",
        "train --preset text --data CLOSED/texts --out OUT",
        "train --preset sounds --data CLOSED/sounds --out OUT",
        "evaluate CLOSED/model",
        "export CLOSED/model OUT",
        "inspect CLOSED/film.mp4",
    ],
)
def test_what_may_not_be_read_is_a_sentence(words: str, closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = words.replace("CLOSED", str(closed)).replace("OUT", str(closed.parent / "out")).split()
    assert_one_sentence(run_here(capsys, *said))


def test_a_folder_that_may_not_be_read_hides_no_model(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_checkpoint().save_pretrained(closed.parent / "runs" / "mine")
    closed.rename(closed.parent / "runs" / "somebody-elses")
    monkeypatch.chdir(closed.parent)
    assert "runs/mine" in offered_models() and own_sources() == ["runs/mine"]
    assert str(closed.parent / "runs" / "mine") in _expanded(str(closed.parent / "runs"))


def test_a_name_in_a_zip_may_be_longer_than_a_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ZipFile(tmp_path / "samples.zip", "w") as archive:
        archive.writestr("\U0001f600" * 120 + ".png", b"no picture")
        archive.writestr("b.png", b"no picture")
    result = run_here(capsys, "inspect", str(tmp_path / "samples.zip"))
    assert_one_sentence(result, "Of 2 files")


def test_nothing_waits_for_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert_one_sentence(run_here(capsys, "inspect", str(tmp_path / "a.png")), "no file")


@pytest.mark.parametrize("preset", ["folder", "text"])
def test_data_by_a_name_that_is_not_utf_8_are_refused_before_anything_is_written(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / os.fsdecode(b"bad\xff")
    data.mkdir()
    (data / "a.txt").write_text("To be, or not to be")
    result = run_here(capsys, "train", "--preset", preset, "--data", str(data), "--out", str(tmp_path / "out"))
    assert_one_sentence(result, "is not UTF-8")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export OWN new --precision int8", "go with --format onnx alone"),
        ("export OWN new --steps=-1", "--steps takes a number from 0 on"),
        ("export OWN OWN/new", "lies in what is to be exported"),
        ("export OWN --format onnx --out new.onnx --float16", "neither a folder nor --float16"),
        ("agreement mnist-classifier mnist-classifier", "two different extractors"),
        ("data nothing", "poems"),
        ("convert nothing.onnx --out new", "There is no file 'nothing.onnx' here"),
        ("sample OWN --set =1 --out new", "--set takes name=value, not '=1'"),
        (
            "compare SHIPPED/fashion-mnist SHIPPED/fashion-mnist/step-0007813 --metric bits_per_character",
            "was not measured",
        ),
        ("evaluate OWN --extractor inception-v3-compat --weights notes", "does not hold weights of 'inception-v3"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_changes_nothing(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_checkpoint().save_pretrained(tmp_path / "OWN")
    (tmp_path / "notes").touch()
    (tmp_path / "SHIPPED").symlink_to(ROOT / "checkpoints")
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.rglob("*")}
    assert_one_sentence(run_here(capsys, *words.split()), sentence)
    assert {*tmp_path.rglob("*")} == before


def test_a_report_replaces_only_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, words = tmp_path / "index.html", ("report", str(ROOT / "checkpoints" / "fashion-mnist"), "--out")
    page.write_text("<title>My page</title>")
    assert_one_sentence(run_here(capsys, *words, str(tmp_path)), "not a report of AIGC Studio")
    assert page.read_text() == "<title>My page</title>"
    page.unlink()
    for _ in range(2):
        assert run_here(capsys, *words, str(tmp_path)).returncode == 0
    assert "fashion-mnist" in page.read_text()


def test_a_report_leaves_out_what_cannot_be_read_and_says_why(
    local_hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push(evaluated_run(tmp_path / "run", [2.0]), "ada/run")
    local_hub.add("ada/pickle", {"network.pkl": b"a pickle"})
    words = ("report", "ada/run", "ada/pickle", "--out", str(tmp_path / "site"))
    with pytest.warns(UserWarning, match="Not all of 'ada/pickle' is shown: 'ada/pickle' holds network.pkl, a pickle"):
        assert run_here(capsys, *words).returncode == 0
    assert "ada/run" in (tmp_path / "site" / "index.html").read_text()
    alone = run_here(capsys, "report", "ada/pickle", "--out", str(tmp_path / "none"))
    assert_one_sentence(alone, "'ada/pickle' cannot be shown: ")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["-m", "aigc_core", "train", "--help"], 0),
        (["spaces/deploy.py", "demo", "ada/studio", "--dry-run", "{folder}/空间"], 0),
        (["app.py", "--host", "没有"], 2),
        (["-m", "tests.local_hub", "--port", "8400…"], 2),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_programs_run_in_any_encoding(words: list[str], status: int, tmp_path: Path) -> None:
    words = [word.format(folder=tmp_path) for word in words]
    for encoding in ENCODINGS:
        result = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True, check=False, timeout=300,
        )  # fmt: skip
        assert result.returncode == status and b"Traceback" not in result.stderr, result.stderr.decode(encoding)
        if "--dry-run" in words or "app.py" in words:
            break  # the folder is written now, and the app takes long to start


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_app_refuses_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", "--host", "没有"])
    with narrow_terminal(encoding) as written:
        assert run_program(app.main) == 2
    assert b"'??'" in written.getvalue()


def test_a_busy_port_of_the_local_hub_is_a_sentence(local_hub: LocalHub) -> None:
    words = [sys.executable, "-m", "tests.local_hub", "--port", str(local_hub.port)]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert f"error: Port {local_hub.port} cannot be listened to" in result.stderr


def test_an_interruption_while_a_command_is_being_imported_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aigc_core.cli.import_module", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    assert main(["sample"]) == 130
    signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.startswith("Interrupted")


def test_two_interruptions_end_a_program_that_waits_for_the_hub(local_hub: LocalHub, tmp_path: Path) -> None:
    """The threads that ask would otherwise be waited for, and a second ^C would be a traceback."""
    words = [sys.executable, "-m", "aigc_core", "list", "--collection", "ada/best-0"]
    with (
        local_hub.fault("GET /api/collections", silent=60),
        subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as program,
    ):
        while not local_hub.calls("GET /api/collections"):
            assert program.poll() is None
        assert program.stderr
        program.send_signal(signal.SIGINT)
        said = program.stderr.readline()  # two signals that are sent at once may arrive as one
        program.send_signal(signal.SIGINT)
        said += program.communicate(timeout=30)[1]
    assert program.returncode and "Traceback" not in said and "Exception ignored" not in said
