"""A run and its folder: who may train into it, what may change on resume, what is checked first, how it stops."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from aigc_core import AIGCError
from aigc_core.checkpoint.folder import read_config, step_folders
from aigc_core.cli import main
from aigc_core.pipeline import train
from aigc_core.training.messages import Forecast
from aigc_core.training.recipe import TrainingConfig
from tests.local_hub import LocalHub
from tests.processes import assert_one_sentence, run_here
from tests.small_runs import ONE_THREAD, command, config

ROOT = Path(__file__).parents[2]


def start(*words: str) -> subprocess.Popen[str]:
    """A training in a process of its own."""
    return subprocess.Popen(words, env=ONE_THREAD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for_a_checkpoint(run: Path, process: subprocess.Popen[str]) -> None:
    while not run.is_dir() or not step_folders(run):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def endless(data: Path, out: Path, *more: str) -> list[str]:
    """A training that lasts until it is stopped, which saves every ten steps."""
    return command(data, out, 8_000_000, "--set=checkpoint_samples=80", *more)


# One owner


def test_a_folder_takes_one_training_at_a_time(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    first = start(*endless(digits_folder, run))
    wait_for_a_checkpoint(run, first)
    for more in ([], ["--resume"]):
        refused = run_here(capsys, *endless(digits_folder, run, *more)[3:])
        assert_one_sentence(refused, f"process {first.pid} on {socket.gethostname()}")
    assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.wait()
    # What a killed process left holds nobody up.
    images = json.loads((step_folders(run)[-1] / "config.json").read_text())["samples_seen"] + 80
    assert main(["train", "--out", str(run), "--resume", f"--samples={images}"]) == 0
    assert capsys.readouterr().out == f"{step_folders(run)[-1]}\n"


def test_of_two_trainings_at_once_one_is_refused(digits_folder: Path, tmp_path: Path) -> None:
    words = command(digits_folder, tmp_path / "run", 160)
    both = [start(*words) for _ in range(2)]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in both]
    assert sorted(code for _, _, code in ended) == [0, 2], ended
    (sentence,) = [errors for _, errors, code in ended if code == 2]
    # The other may have ended by the time this one comes to look.
    assert "on " + socket.gethostname() in sentence or "already holds a run" in sentence
    assert [folder.name for folder in step_folders(tmp_path / "run")] == ["step-0000010", "step-0000020"]


def test_the_processes_of_one_run_share_its_folder(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    words = [*launch, *command(digits_folder, run, 160)[1:]]
    done = subprocess.run(words, env=ONE_THREAD, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [folder.name for folder in step_folders(run)] == ["step-0000010", "step-0000020"]
    # What the main process finds wrong ends them all.
    again = subprocess.run(words, env=ONE_THREAD, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert again.returncode != 0 and again.stderr.count("already holds a run") == 2


# Resuming


CHANGES = [
    ({"seed": 5}, "seed was 0 and is 5 now"),
    ({"batch_size": 16}, "batch_size was 8 and is 16 now"),
    ({"method_config": {"r1": {"gamma": 2.0}}}, "method_config.r1.gamma was 1.0 and is 2.0 now"),
    (
        {"method_config": {"r1": {"gamma": 1.0}, "optimizer": {"learning_rate": 0.5}}},
        "method_config.optimizer.learning_rate was not set and is 0.5 now",
    ),
    ({"horizontal_flip": True}, "horizontal_flip was False and is True now"),
    ({"architecture": "dcgan"}, "architecture was mlp and is dcgan now"),
    ({"architecture_config": {"latent_dim": 5}}, "architecture_config.latent_dim was not set and is 5 now"),
    ({"channels": 3}, "channels was 1 and is 3 now"),
    ({"conditional": False}, "conditional was True and is False now"),
    ({"ema_half_life": 1.0, "data_limit": 100}, "data_limit was None and is 100 now; ema_half_life was 10000.0"),
]


@pytest.mark.parametrize(("changes", "sentence"), CHANGES, ids=[" ".join(changes) for changes, _ in CHANGES])
def test_another_recipe_is_not_resumed(changes: dict, sentence: str, digits_folder: Path, tmp_path: Path) -> None:
    train(config(digits_folder, samples=80), tmp_path / "run", trackers=())
    with pytest.raises(AIGCError, match=re.escape(sentence)) as caught:
        train(config(digits_folder, **changes), tmp_path / "run", resume=True, trackers=())
    assert "--parent" in str(caught.value) and "\n" not in str(caught.value)
    assert [folder.name for folder in step_folders(tmp_path / "run")] == ["step-0000010"]


def test_other_data_is_not_resumed(digits_folder: Path, tmp_path: Path) -> None:
    """Neither other pictures nor other names of as many classes; the same ones elsewhere are the same data."""
    data = shutil.copytree(digits_folder, tmp_path / "data")
    first = config(data, samples=80)
    newest = train(first, tmp_path / "run", trackers=())
    assert len(read_config(newest).data_hash) == 16
    renamed = shutil.copytree(data, tmp_path / "renamed")
    for digit in range(10):
        (renamed / str(digit)).rename(renamed / f"digit {digit}")
    with pytest.raises(AIGCError, match="class_names was 0, 1, .* and is digit 0, digit 1, .* now.*--parent"):
        train(config(renamed), tmp_path / "run", resume=True, trackers=())
    moved = data.rename(tmp_path / "moved")
    longer = config(moved, samples=160, checkpoint_samples=160)
    assert train(longer, tmp_path / "run", resume=True, trackers=()).name == "step-0000020"
    Image.new("L", (28, 28)).save(next((moved / "3").iterdir()))
    with pytest.raises(AIGCError, match="data_hash was [0-9a-f]{16} and is [0-9a-f]{16} now.*--parent"):
        train(config(moved, samples=240), tmp_path / "run", resume=True, trackers=())
    assert read_config(step_folders(tmp_path / "run")[-1]).class_names == tuple("0123456789")


def test_a_run_from_before_data_had_a_hash_is_resumed(digits_folder: Path, tmp_path: Path) -> None:
    newest = train(config(digits_folder, samples=80), tmp_path / "run", trackers=())
    written = json.loads((newest / "config.json").read_text())
    del written["data_hash"]
    (newest / "config.json").write_text(json.dumps(written))
    other = shutil.copytree(digits_folder, tmp_path / "other")
    with pytest.raises(AIGCError, match=f"data was {digits_folder} and is {other} now"):
        train(config(other), tmp_path / "run", resume=True, trackers=())
    assert train(config(digits_folder), tmp_path / "run", resume=True, trackers=()).name == "step-0000020"


def test_there_must_be_a_run_to_resume(digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        for more in (["--preset", "folder", "--data", str(digits_folder)], []):
            assert main(["train", "--out", str(tmp_path / name), "--resume", *more]) == 2
            error = capsys.readouterr().err
            assert f"There is no run in '{tmp_path / name}'" in error and error.count("\n") == 1
    assert not (tmp_path / "nowhere").exists() and not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("less", [["--samples", "80"], ["--seconds", "0.001"]])
def test_a_run_that_has_had_enough_is_finished(
    less: list[str], digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = train(config(digits_folder), tmp_path / "run", trackers=())
    before = sorted(newest.parent.rglob("*"))
    assert main(["train", "--out", str(tmp_path / "run"), "--resume", *less]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{newest}\n" and "Nothing is left to train" in printed.err
    assert [path for path in sorted(newest.parent.rglob("*")) if path.name != ".lock"] == [
        path for path in before if path.name != ".lock"
    ]


# Checked before the first step


def folder_with_classes(folder: Path, names: list[bytes]) -> Path:
    for shade, name in enumerate(names):
        place = os.fsencode(folder) + b"/" + name
        os.makedirs(place)
        Image.new("L", (28, 28), shade % 256).save(Path(os.fsdecode(place), "picture.png"))
    return folder


LONG_NAMES = [b"%05d" % number + b"x" * 190 for number in range(5100)]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([b"a", b"b" * 201], "a class name is longer than 200 characters"),
        (LONG_NAMES, "config.json would be"),
        ([b"a", b"caf\xe9"], "b'caf\\xe9' is not UTF-8"),
    ],
    ids=["long", "many", "latin-1"],
)
def test_class_names_that_no_checkpoint_can_hold_are_found_first(
    names: list[bytes], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = folder_with_classes(tmp_path / "data", names), tmp_path / "run"
    words = ["--set=architecture=mlp", "--set=architecture_config={}", "--set=method_config={}"]
    words = command(data, run, 1_000_000, *words, "--set=checkpoint_samples=1000000")[3:]
    assert_one_sentence(run_here(capsys, *words), sentence)
    assert not (run / "training").exists(), "it had begun to train"


def test_a_folder_that_cannot_be_named_is_refused_first(digits_folder: Path, tmp_path: Path) -> None:
    """In a process of its own, whose terminal cannot print the name either."""
    run = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9/run"))
    process = start(*command(digits_folder, run, 80))
    written = process.communicate(timeout=120)
    refused = subprocess.CompletedProcess(process.args, process.returncode, *written)
    assert_one_sentence(refused, "is not UTF-8; choose another --out")
    assert not run.parent.exists()


# Stopping


def last_sentence(errors: str) -> str:
    return errors.strip().splitlines()[-1]


def resumed(run: Path, sentence: str) -> None:
    """The command in a sentence goes on with the run."""
    words = re.search("`(.*)`", sentence)
    assert words, sentence
    images = json.loads((step_folders(run)[-1] / "config.json").read_text())["samples_seen"] + 8
    start_of_command, rest = words[1].split()[:3], words[1].split()[3:]
    assert start_of_command == ["python", "-m", "aigc_core"]
    assert main([*rest, "--samples", str(images)]) == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "two quick SIGINT"])
def test_a_stop_saves_and_says_how_to_go_on(name: str, digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*command(digits_folder, run, 8_000_000, "--set=checkpoint_samples=160"))
    wait_for_a_checkpoint(run, process)
    number = signal.Signals[name.removeprefix("two quick ")]
    process.send_signal(number)
    if name.startswith("two"):
        time.sleep(0.1)
        process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors, errors
    assert "Another Ctrl-C" in errors
    newest = step_folders(run)[-1]
    assert (newest / "training_state").is_dir() and f"'{newest}'" in last_sentence(errors)
    resumed(run, last_sentence(errors))


def test_a_terminal_that_is_closed_saves_as_ctrl_c_does(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = command(digits_folder, run, 8_000_000, "--set=checkpoint_samples=4000")
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started with
        os.chdir(ROOT)
        os.execve(words[0], words, ONE_THREAD)
    while not run.is_dir() or not step_folders(run):
        if select.select([terminal], [], [], 0.1)[0]:
            os.read(terminal, 2**16)  # else it waits to be read
    before = step_folders(run)[-1]
    time.sleep(0.5)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    newest = step_folders(run)[-1]
    assert newest != before and (newest / "training_state").is_dir()


def test_nohup_keeps_a_closed_terminal_from_ending_a_training(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start("nohup", *endless(digits_folder, run))
    wait_for_a_checkpoint(run, process)
    process.send_signal(signal.SIGHUP)
    count = len(step_folders(run))
    while len(step_folders(run)) == count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 130


STEP_THAT_TAKES_LONG = """
import sys, time
from aigc_core.cli import main
from aigc_core.training.loop import Run
train_step = Run._train_step
def step(self):
    if self.step == 12:
        print("the long step", file=sys.stderr, flush=True)
        time.sleep(60)
    return train_step(self)
Run._train_step = step
sys.exit(main(sys.argv[1:]))
"""


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr
    read = ""
    while words not in read:
        letter = process.stderr.read(1)
        assert letter, read
        read += letter


def test_a_second_interrupt_discards_and_says_so(digits_folder: Path, tmp_path: Path) -> None:
    """In a step that takes long, so that the second one comes before the first has been followed."""
    run = tmp_path / "run"
    process = start(sys.executable, "-c", STEP_THAT_TAKES_LONG, *endless(digits_folder, run)[3:])
    read_until(process, "the long step")
    process.send_signal(signal.SIGINT)
    read_until(process, "Another Ctrl-C")
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=50)
    assert process.returncode == 130 and "Traceback" not in errors
    assert [folder.name for folder in step_folders(run)] == ["step-0000010"]
    sentence = last_sentence(errors)
    assert "the last 2 steps are discarded" in sentence and f"'{run / 'step-0000010'}'" in sentence
    resumed(run, sentence)


def test_a_timed_run_that_is_over_resumes_to_a_sentence(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for word in command(digits_folder, tmp_path / "run", 0) if word not in ("--samples", "0")][3:]
    assert main([*words, "--seconds", "0.05"]) == 0
    capsys.readouterr()
    assert main(["train", "--out", str(tmp_path / "run"), "--resume"]) == 0
    errors = capsys.readouterr().err
    assert "Nothing is left to train" in errors and "Traceback" not in errors
    assert f"--out {tmp_path / 'run'} --resume --seconds 0.1" in errors


def test_a_stop_before_the_first_checkpoint_says_so(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*command(digits_folder, run, 8_000_000, "--set=checkpoint_samples=8000000"))
    while not list(run.rglob("events.out.tfevents.*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors
    if step_folders(run):
        assert f"'{step_folders(run)[-1]}'" in last_sentence(errors)
    else:
        assert "nothing was saved" in last_sentence(errors)


# What is said


def test_the_commands_at_the_end_of_a_run_work(
    digits_folder: Path,
    tmp_path: Path,
    local_hub: LocalHub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As someone would type them who has never used this before."""
    run = tmp_path / "runs" / "my digits"
    assert main(command(digits_folder, run, 80)[3:]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{step_folders(run)[-1]}\n"
    assert f"tensorboard --logdir '{run}'" in printed.err
    monkeypatch.chdir(tmp_path)
    lines = printed.err[printed.err.index("Next:") :].splitlines()[1:]
    commands = [shlex.split(line) for line in lines]
    assert [words[3] for words in commands] == ["sample", "evaluate", "push", "train"]
    for words in commands:
        assert words[:3] == ["python", "-m", "aigc_core"]
        # The extractor that one's own pictures are held to by default is fetched from elsewhere.
        more = ["--extractor", "mnist-classifier", "--num-samples", "64"] if words[3] == "evaluate" else []
        assert main([word.replace("OWNER/NAME", "ada/digits") for word in words[3:]] + more) == 0, words
    assert len(list((tmp_path / "samples-my digits").glob("*.png"))) == 16
    assert read_config(step_folders(run)[-1]).samples_seen == 160


def forecasts(config: TrainingConfig, rate: float, steps: int) -> list[str]:
    """What a run is told that sees ten samples a step, the first three steps at a tenth of the rate."""
    forecast, seconds, told = Forecast(config), 0.0, []
    for step in range(steps):
        seconds += 10 / (rate / 10 if step < 3 else rate)
        told.append(forecast.after_step(10 * (step + 1), seconds))
    return [sentence for sentence in told if sentence]


def test_a_run_says_how_long_it_takes_once_its_speed_is_known(digits_folder: Path) -> None:
    by_images = config(digits_folder, samples=1_000_000)
    (sentence,) = forecasts(by_images, 220, 200)
    assert sentence.startswith("It takes about 1 h 16 min at 220 samples a second; `--seconds 600` would end it")
    by_time = config(digits_folder, seconds=600)
    (sentence,) = forecasts(by_time, 220, 200)
    assert sentence.startswith("10 min are left, in which it sees about 130,")
    assert forecasts(by_images, 220, 50) == [], "it has been measured for a second"
    assert forecasts(config(digits_folder, seconds=8), 220, 200) == [], "it is about to end"
    (sentence,) = forecasts(config(digits_folder, samples=5000), 220, 200)
    assert sentence.startswith("It takes about 18 s at 220")


def test_what_a_run_says_is_said_in_chinese(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert main(command(digits_folder, tmp_path / "run", 8)[3:]) == 0
    errors = capsys.readouterr().err
    assert "接下来" in errors and "Watch it" not in errors
