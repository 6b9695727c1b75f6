"""The training loop: resume to the bit, any number of processes, moving averages, divergence, settings."""

import json
import math
import random
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.folder import step_folders
from aigc_core.checkpoint.layout import WEIGHTS_FILE
from aigc_core.cli import main
from aigc_core.config import Config
from aigc_core.families.base import Batch, StepState
from aigc_core.families.gan.generator import Generator
from aigc_core.families.gan.method import AdversarialTraining
from aigc_core.families.gan.networks import Architecture, ImageShape, architectures, build_generator
from aigc_core.families.gan.networks.mlp import MLPConfig
from aigc_core.families.gan.standing_statistics import with_standing_statistics
from aigc_core.pipeline import train
from aigc_core.rng import ShuffledStream, StepDraws
from aigc_core.training.ema import ExponentialMovingAverage
from aigc_core.training.loop import mixed_precision
from aigc_core.training.recipe import TrainingConfig
from tests.processes import assert_one_sentence, fill, run_here, run_with_little_space
from tests.small_runs import ONE_THREAD, command, config
from tests.toy_models import spec_of


def test_killed_runs_resume_to_the_same_weights(digits_folder: Path, tmp_path: Path) -> None:
    """kill -9 at random moments, then --resume, must end on the bits of a run that was never stopped."""
    images = 1000
    subprocess.run(command(digits_folder, tmp_path / "whole", images), env=ONE_THREAD, check=True, capture_output=True)
    moments = random.Random()
    for attempt in range(3):
        run = subprocess.Popen(
            command(digits_folder, tmp_path / "killed", images, *["--resume"][:attempt]),
            env=ONE_THREAD,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        known = len(step_folders(tmp_path / "killed")) if (tmp_path / "killed").is_dir() else 0
        while run.poll() is None and (
            not (tmp_path / "killed").is_dir() or len(step_folders(tmp_path / "killed")) == known
        ):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        run.send_signal(signal.SIGKILL)
        run.wait()
    subprocess.run(
        command(digits_folder, tmp_path / "killed", images, "--resume"), env=ONE_THREAD, check=True, capture_output=True
    )
    whole, killed = step_folders(tmp_path / "whole")[-1], step_folders(tmp_path / "killed")[-1]
    assert whole.name == killed.name == "step-0000125"
    for name in (
        WEIGHTS_FILE,
        "training_state/discriminator.safetensors",
        "training_state/generator_optimizer.safetensors",
    ):
        ours, theirs = load_file(whole / name), load_file(killed / name)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key]), f"{name}: {key}"


def in_one_and_in_two_processes(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[Path]:
    """The newest checkpoints of two runs with these settings."""
    settings = {"resolution": 28, "channels": 1, "samples": 160, "batch_size": 8} | settings
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    train(TrainingConfig(**settings), folder / "one", trackers=())
    script = folder / "script.py"
    script.write_text(
        "import sys\nfrom aigc_core.pipeline import train\nfrom aigc_core.training.recipe import TrainingConfig\n"
        f"train(TrainingConfig(**{settings!r}), sys.argv[1], trackers=())"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(script)]
    environment = ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([*launch, str(folder / "two")], env=environment, check=True, capture_output=True)
    return [step_folders(folder / name)[-1] for name in ("one", "two")]


def test_two_processes_equal_one(digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without batch statistics, the same global batch: the same weights to float tolerance."""
    checkpoints = in_one_and_in_two_processes(
        tmp_path,
        monkeypatch,
        data=str(digits_folder),
        architecture="mlp",
        horizontal_flip=True,
        method_config={"augmentation": "ada", "augmentation_config": {"target": -2, "images_to_one": 1e12}},
    )
    one, two = (load_file(checkpoint / WEIGHTS_FILE) for checkpoint in checkpoints)
    fresh = build_generator("mlp", {}, ImageShape(channels=1, resolution=28, num_classes=10)).state_dict()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(tensor, fresh[name], rtol=1e-3, atol=1e-3)
    for checkpoint in checkpoints:  # the probability follows all 160 images
        augmentation = load_file(checkpoint / "training_state" / "augmentation.safetensors")
        assert augmentation["p"].item() == pytest.approx(160e-12)


def test_matched_means_are_those_of_all_processes(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the shares of classes show, which hang on no weight."""
    checkpoints = in_one_and_in_two_processes(
        tmp_path,
        monkeypatch,
        data=str(digits_folder),
        architecture_config={"generator_width": 4, "discriminator_width": 4},
        method_config={"feature_matching": {"weight": 1}},
    )
    one, two = (load_file(folder / "training_state" / "feature_matching.safetensors") for folder in checkpoints)
    torch.testing.assert_close(one["weights"], two["weights"])
    assert one["weights"].max() > 1.1 * one["weights"].min() > 0


def test_a_timed_run_can_go_on_to_a_number_of_images(digits_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    timed = [word for word in command(digits_folder, run, 0) if word not in ("--samples", "0")][3:]
    assert main([*timed, "--seconds", "0.01"]) == 0
    seen = Checkpoint.from_pretrained(step_folders(run)[-1]).config.samples_seen
    assert main(["train", "--out", str(run), "--resume", "--samples", str(seen + 80)]) == 0
    assert Checkpoint.from_pretrained(step_folders(run)[-1]).config.samples_seen == seen + 80


def test_the_sheet_of_samples_says_what_it_is(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = train(config(digits_folder, samples=80), tmp_path / "run", trackers=())
    assert main(["inspect", str(newest / "samples.png"), "--checkpoint", str(newest)]) == 0
    assert "AI-generated: yes" in (printed := capsys.readouterr().out) and "they match" in printed


def test_training_lowers_the_distance_to_the_data(digits_folder: Path, tmp_path: Path) -> None:
    """The mean image of the samples comes closer to the data's than an untrained generator's is."""
    from aigc_core.data.datasets import load_dataset

    data_mean = load_dataset(str(digits_folder), resolution=28, channels=1).images.float().mean(0)
    newest = train(config(digits_folder, samples=8_000, checkpoint_samples=100_000), tmp_path / "run", trackers=())
    trained = Checkpoint.from_pretrained(newest)
    untrained = build_generator("mlp", {}, ImageShape(channels=1, resolution=28, num_classes=10))
    fresh = Checkpoint(trained.config, untrained.eval())
    distances = [
        (checkpoint.sample(seed=0, count=256).images.float().mean(0) - data_mean).square().mean()
        for checkpoint in (trained, fresh)
    ]
    assert distances[0] < distances[1] / 4


def test_divergence_stops_and_keeps_the_last_good_checkpoint(digits_folder: Path, tmp_path: Path) -> None:
    newest = train(config(digits_folder, samples=80), tmp_path / "run", trackers=())
    state = newest / "training_state" / "discriminator.safetensors"
    save_file({name: tensor * 1e30 for name, tensor in load_file(state).items()}, state)
    with pytest.raises(AIGCError, match="diverged.*step-0000010"):
        train(config(digits_folder, samples=8000), tmp_path / "run", resume=True, trackers=())
    assert [folder.name for folder in step_folders(tmp_path / "run")] == ["step-0000010"]
    Checkpoint.from_pretrained(tmp_path / "run")


def test_a_run_is_not_overwritten(digits_folder: Path, tmp_path: Path) -> None:
    train(config(digits_folder, samples=8), tmp_path / "run", trackers=())
    with pytest.raises(AIGCError, match="--resume"):
        train(config(digits_folder, samples=8), tmp_path / "run", trackers=())


def test_nothing_is_trained_into_a_checkpoint(digits_folder: Path, tmp_path: Path) -> None:
    newest = train(config(digits_folder, samples=8), tmp_path / "run", trackers=())
    with pytest.raises(AIGCError, match="holds a checkpoint"):
        train(config(digits_folder, samples=8), newest, trackers=())


def test_checkpoint_is_complete(digits_folder: Path, tmp_path: Path) -> None:
    newest = train(config(digits_folder), tmp_path / "run", trackers=("tensorboard",))
    assert {path.name for path in newest.iterdir()} == {
        "config.json",
        "model.safetensors",
        "samples.png",
        "README.md",
        "training_state",
    }
    assert not (step_folders(tmp_path / "run")[0] / "training_state").exists()
    written = json.loads((newest / "config.json").read_text())
    assert written["samples_seen"] == 160 and written["step"] == 20 and written["recipe"]["batch_size"] == 8
    assert list((tmp_path / "run").rglob("events.out.tfevents.*"))


def test_a_checkpoint_knows_how_often_its_classes_occur(digits_folder: Path, tmp_path: Path) -> None:
    few = shutil.copytree(digits_folder, tmp_path / "few")
    for digit in range(2, 10):
        shutil.rmtree(few / str(digit))
    for picture in sorted((few / "1").iterdir())[10:]:
        picture.unlink()

    def shares_of(data: Path, name: str, **changes: object) -> tuple[float, ...]:
        newest = train(config(data, samples=8, **changes), tmp_path / name, trackers=())
        return Checkpoint.from_pretrained(newest).config.class_shares

    assert shares_of(few, "conditional") == (50 / 60, 10 / 60)
    assert shares_of(few, "unconditional", conditional=False) == ()
    assert shares_of(digits_folder, "alike") == ()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--preset", "mnist", "--set", "batch_sizes=3"], "unknown key 'batch_sizes'"),
        (["--preset", "mnist", "--set", "batch_size=big"], "'batch_size' is wrong"),
        (["--preset", "mnist", "--set", "method_config.loss=none"], "'method_config.loss' is wrong"),
        (["--preset", "mnist", "--set", "architecture=gpt"], "no architecture 'gpt'"),
        (["--preset", "mnist", "--set", "resolution=1000"], "'resolution' is wrong"),
        (["--preset", "mnist", "--set", "shape=3"], "shape must be an object"),
        (["--preset", "mnist", "--set", "batch_size=1000000000"], "'batch_size' is wrong"),
        (["--preset", "mnist", "--set", "batch_size"], "key=value"),
        (["--preset", "mnist", "--set", "samples=[1"], "not a value"),
        (["--preset", "mnist", "--set", "data.name=1"], "'data' has no settings"),
        (["--preset", "mnist", "--seed", "1e30"], "'seed' is wrong"),
        (["--preset", "mnist", "--seed=-1"], "'seed' is wrong"),
        (["--preset", "mnist", "--seed", "abc"], "'seed' is wrong"),
        (["--preset", "mnist", "--samples", "0"], "'samples' is wrong"),
        (["--preset", "mnist", "--seconds=-1"], "'seconds' is wrong"),
        (["--preset", "mnist", "--seconds", "nan"], "'seconds' is wrong"),
        (["--preset", "mnist", "--seconds", "inf"], "'seconds' is wrong"),
        (["--preset", "mnist", "--out", "/dev/null"], "'/dev/null' could not be written"),
        (["--preset", "mnist", "--out", "/dev/null/run"], "'/dev/null/run' could not be written"),
        (["--preset", "mnist", "--data", "/no/such/folder"], "/no/such/folder"),
        (["--preset", "folder", "--data", ""], "name a folder"),
        ([], "Choose a --preset"),
    ],
)
def test_wrong_settings_end_in_a_sentence(
    words: list[str], sentence: str, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [] if "--data" in words else ["--data", str(digits_folder), "--set", "resolution=28"]
    out = [] if "--out" in words else ["--out", str(tmp_path / "runs" / "new")]
    assert_one_sentence(run_here(capsys, "train", *data, *words, *out), sentence)
    assert not [*tmp_path.iterdir()]


def test_a_refused_run_leaves_a_folder_as_it_was(digits_folder: Path, tmp_path: Path) -> None:
    refused = config(digits_folder, architecture="gpt")
    for names in ((), ("notes",), (".lock", "notes")):
        for name in names:
            (tmp_path / name).touch()
        with pytest.raises(AIGCError, match="gpt"):
            train(refused, tmp_path, trackers=())
        assert sorted(path.name for path in tmp_path.iterdir()) == [*names]


def test_every_preset_is_valid() -> None:
    from aigc_core.training.presets import preset_names, read_preset

    assert {"mnist-mlp", "mnist", "fashion-mnist", "cifar10", "cifar10-r3gan", "ffhq64-r3gan", "folder"} <= set(
        preset_names()
    )
    for name in preset_names():
        TrainingConfig(**read_preset(name))


@pytest.mark.parametrize("preset", ["fashion-mnist", "cifar10", "folder", "mnist-mlp"])
def test_the_command_in_a_card_makes_the_same_recipe(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was set, left out, or changed in the preset since."""
    from aigc_core.training import presets

    recipe = presets.read_preset(preset) | {"seed": 3, "samples": 99, "horizontal_flip": preset != "cifar10"}
    recipe["parent"], recipe["data"] = "a model@step-0000001", "emoji:Smileys & Emotion"
    recipe["method_config"] = dict(recipe["method_config"]) | {"augmentation": "ada", "r2": {"gamma": 5e-05}}
    recipe["method_config"]["optimizer"] = {"learning_rate": {"value": 5e-05, "decay_from": 1}, "betas": [0.5, 0.9]}
    if preset == "folder":
        recipe |= {"method": "adversarial", "method_config": {}}
    recipe["ema_half_life"] = {"start": 0, "end": 1e5, "samples": 1e-5}
    made = TrainingConfig(**recipe)
    asked: list[TrainingConfig] = []
    monkeypatch.setattr("aigc_core.pipeline.train", lambda config, *_, **__: asked.append(config))
    words = shlex.split(presets.command_for(made.model_dump(mode="json", exclude_defaults=True)))
    assert words[:4] == ["python", "-m", "aigc_core", "train"]
    assert main(words[3:]) == 0
    assert asked == [made]


def test_the_command_in_a_card_names_no_folder_of_the_machine() -> None:
    from aigc_core.training.presets import command_for, read_preset

    assert "--data PICTURES" in command_for(read_preset("mnist") | {"data": "/home/ada/secret"})


NO_DRAWS = StepDraws(0, 0, 1, 0, 1, torch.device("cpu"))


def test_moving_average_by_hand() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    ema = ExponentialMovingAverage(layer, half_life=100, ramp_up=1e9)
    layer.weight.data.fill_(1.0)
    ema.update(100, StepState(0, 0, 0, NO_DRAWS))
    assert ema.model.weight.item() == pytest.approx(0.5)  # one half-life: half the way
    ema.update(200, StepState(1, 0, 100, NO_DRAWS))
    assert ema.model.weight.item() == pytest.approx(0.875)  # two more: three quarters of what was left


def test_standing_statistics_are_those_of_the_averaged_weights() -> None:
    torch.manual_seed(0)
    generator = build_generator("dcgan", {"generator_width": 4}, ImageShape(channels=1, resolution=28))
    measured = with_standing_statistics(generator, torch.empty(0), batches=40)
    stem: list[torch.Tensor] = []
    measured.stem_norm.register_forward_hook(lambda module, inputs, output: stem.append(inputs[0]))
    measured(torch.randn(4000, 100), torch.empty(4000, 0))
    torch.testing.assert_close(measured.stem_norm.running_mean, stem[0].mean((0, 2, 3)), rtol=0.1, atol=0.02)
    torch.testing.assert_close(measured.stem_norm.running_var, stem[0].var((0, 2, 3)), rtol=0.1, atol=0.02)
    assert generator.training and not measured.training


def test_shuffled_stream_shows_every_image_once_an_epoch() -> None:
    stream = ShuffledStream(10, seed=3)
    first = torch.cat([stream.batch(position, 4) for position in range(0, 20, 4)])
    assert sorted(first[:10].tolist()) == list(range(10)) == sorted(first[10:].tolist())
    assert first[:10].tolist() != first[10:].tolist()
    assert torch.equal(ShuffledStream(10, seed=3).batch(7, 9), first[7:16])
    assert sorted(ShuffledStream(3, seed=0).batch(0, 9).tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_draws_of_all_processes_make_the_draws_of_one() -> None:
    device = torch.device("cpu")
    whole = StepDraws(1, 2, 6, 0, 1, device)
    parts = [StepDraws(1, 2, 6, rank, 3, device) for rank in range(3)]
    assert torch.equal(torch.cat([part.normal(5) for part in parts]), whole.normal(5))
    assert torch.equal(torch.cat([part.uniform(2) for part in parts]), whole.uniform(2))


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the disk are set as Linux does")
def test_a_full_disk_stops_training_with_a_sentence_and_resume_goes_on(digits_folder: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    words = command(digits_folder, run, 240, "--set=architecture_config.discriminator_features=8")[3:]
    assert main([word if word != "240" else "80" for word in words]) == 0
    words.append("--resume")
    for leave in (0, 60_000):  # too little for the log, and for a checkpoint
        filler = fill(small_disk, leave)
        assert_one_sentence(run_with_little_space(small_disk, *words), "could not be written")
        assert [folder.name for folder in step_folders(run)] == ["step-0000010"]
        filler.unlink()
    assert main(words) == 0
    assert [folder.name for folder in step_folders(run)] == ["step-0000010", "step-0000020", "step-0000030"]
    assert [path.name for path in run.glob(".*")] == [".lock"]


def test_what_a_killed_save_left_is_cleared_away(digits_folder: Path, tmp_path: Path) -> None:
    train(config(digits_folder, samples=80), tmp_path / "run", trackers=())
    (tmp_path / "run" / ".step-0000020-abc").mkdir()
    train(config(digits_folder), tmp_path / "run", resume=True, trackers=())
    left = [path.name for path in sorted((tmp_path / "run").iterdir())]
    assert left == [".lock", "step-0000010", "step-0000020", "timeline"]


@pytest.mark.parametrize("file", ["discriminator.safetensors", "generator_optimizer.safetensors", "counters.json"])
def test_a_damaged_state_is_not_resumed(file: str, digits_folder: Path, tmp_path: Path) -> None:
    newest = train(config(digits_folder, samples=80), tmp_path / "run", trackers=())
    path = newest / "training_state" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AIGCError, match="cannot be resumed") as caught:
        train(config(digits_folder), tmp_path / "run", resume=True, trackers=())
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(AIGCError, match="missing"):
        train(config(digits_folder), tmp_path / "run", resume=True, trackers=())


def test_a_child_starts_from_its_parent_and_counts_on(digits_folder: Path, tmp_path: Path) -> None:
    parent = train(config(digits_folder), tmp_path / "parent")
    still = {"optimizer": {"learning_rate": 1e-12, "discriminator_learning_rate": 1e-3}}
    changes = {"parent": str(parent), "method_config": still, "samples": 80, "checkpoint_samples": 40, "seed": 5}
    child = train(config(digits_folder, **changes), tmp_path / "child")
    assert [folder.name for folder in step_folders(tmp_path / "child")] == ["step-0000025", "step-0000030"]
    made = Checkpoint.from_pretrained(child)
    assert (made.config.step, made.config.samples_seen, made.config.parent) == (30, 240, str(parent))
    weights = load_file(parent / WEIGHTS_FILE)
    for name, tensor in load_file(child / WEIGHTS_FILE).items():
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=1e-9)

    longer = train(config(digits_folder, **changes | {"samples": 120}), tmp_path / "child", resume=True)
    assert longer.name == "step-0000035"


def test_a_parent_of_another_family_is_refused_as_such(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--preset", "folder-vae", "--data", str(digits_folder), "--out", str(tmp_path / "run")]
    assert main([*words, "--parent", "checkpoints/emoji"]) == 2
    assert "is of the family 'gan', and the new run of 'vae'" in capsys.readouterr().err


def test_a_parent_that_does_not_fit_names_the_settings_that_make_it_fit(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_digit, parent = digits_folder / "3", tmp_path / "parent"
    assert main(command(one_digit, parent, 80)[3:]) == 0
    changed = ["--set=resolution=32", "--set=architecture_config.generator_width=8", f"--parent={parent}"]
    words = command(digits_folder, tmp_path / "child", 80, *changed)[3:]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "has other settings than the new run" in said
    options = shlex.split(said.partition("add: ")[2])
    assert sorted(options[1::2]) == ["architecture_config.generator_width=4", "conditional=false", "resolution=28"]
    assert main([*words, *options]) == 0
    made = Checkpoint.from_pretrained(tmp_path / "child")
    assert (made.config.num_classes, made.config.samples_seen) == (0, 160)
    classes = tmp_path / "classes"
    assert main(command(digits_folder, classes, 80)[3:]) == 0
    assert main(command(one_digit, tmp_path / "third", 80, f"--parent={classes}")[3:]) == 2
    assert "draws 10 classes, and the data has 0" in capsys.readouterr().err


def test_a_discriminator_that_has_won_is_told_once(
    digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    winning = {"r1": None, "optimizer": {"learning_rate": 1e-9, "discriminator_learning_rate": 1e-2}}
    train(config(digits_folder, method_config=winning, samples=2400), tmp_path / "run", trackers=())
    assert capsys.readouterr().err.count("the discriminator has won") == 1


class ConstantGenerator(Generator):
    """Draws the same image from any latent."""

    def __init__(self, config: Config, image_shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = 2
        side = image_shape.resolution
        self.image = nn.Parameter(torch.rand(image_shape.channels, side, side))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.image.expand(len(latents), -1, -1, -1)


def test_identical_samples_are_told(digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    constant = Architecture(MLPConfig, ConstantGenerator, architectures["mlp"].discriminator)
    architectures.register("constant", constant)
    train(config(digits_folder, architecture="constant", samples=8), tmp_path / "run", trackers=())
    assert "all samples look the same" in capsys.readouterr().err


def test_progress_shows_speed_time_left_and_losses(digits_folder: Path, tmp_path: Path) -> None:
    for length, pattern in (
        (
            ["--samples", "1600"],
            r"\d+%\|.*1\.60k \[\d\d:\d\d<\d\d:\d\d, +[\d.]+k? samples/s, discriminator_loss=[\d.]+",
        ),
        (["--seconds", "4"], r"\d+%\|.*/4 s \[\d\d:\d\d<\d\d:\d\d, samples/s=\d+, discriminator_loss=[\d.]+"),
    ):
        words = command(digits_folder, tmp_path / length[0], 0)
        words[words.index("--samples") : words.index("--samples") + 2] = length
        words += ["--set=architecture=mlp", "--set=architecture_config={}", "--set=method_config={}"]
        words += ["--set=checkpoint_samples=1000000"]
        result = subprocess.run(words, env=ONE_THREAD, capture_output=True, text=True, check=True)
        assert re.search(pattern, result.stderr), result.stderr
        assert result.stdout == f"{step_folders(tmp_path / length[0])[-1]}\n"


def test_trackers(digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accelerate's trackers run beside TensorBoard; here trackio, which writes to a database on this machine."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    script = (
        "import trackio, sys; from aigc_core.cli import main\n"
        f"assert main({[*command(digits_folder, tmp_path / 'run', 800, '--track=trackio')[3:]]!r}) == 0"
    )
    environment = ONE_THREAD | {"TRACKIO_DIR": str(tmp_path / "trackio")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, cwd=Path(__file__).parents[2])
    events = EventAccumulator(str(next((tmp_path / "run" / "training").glob("events*"))))
    events.Reload()
    logged = events.Scalars("discriminator_loss")
    assert [event.step for event in logged] == [400, 800] and all(math.isfinite(event.value) for event in logged)
    (database,) = (tmp_path / "trackio").glob("training*.db")
    rows = sqlite3.connect(database).execute("select metrics from metrics").fetchall()
    assert [json.loads(row[0])["discriminator_loss"] for row in rows] == pytest.approx(
        [event.value for event in logged]
    )


def test_a_tracker_that_is_not_installed(digits_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AIGCError, match="pip install swanlab"):
        train(config(digits_folder), tmp_path / "run", trackers=("swanlab",))
    assert not (tmp_path / "run").exists()


def test_processes_follow_one_clock(digits_folder: Path, tmp_path: Path) -> None:
    """Ended by time, two processes take the same number of steps at the same learning rates, and hold equal weights."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom accelerate import Accelerator\n"
        "from aigc_core.training.loop import Run\nfrom aigc_core.training.recipe import TrainingConfig\n"
        f"config = TrainingConfig(data={str(digits_folder)!r}, resolution=28, channels=1, architecture='mlp',"
        "seconds=1.5, batch_size=8, method_config={'optimizer': {'learning_rate': {'value': 1e-3, 'decay_from': 0}}})\n"
        "run = Run(config, Path(sys.argv[1]), Accelerator(), resume=False)\nrun.train()\n"
        "sum_of_weights = sum(p.double().sum().item() for p in run.method.model.parameters())\n"
        "Path(sys.argv[1], f'rank{run.accelerator.process_index}').write_text(f'{run.step} {sum_of_weights}')\n"
    )
    path = tmp_path / "script.py"
    path.write_text(script)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(path)]
    environment = ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([*launch, str(tmp_path)], env=environment, check=True, capture_output=True, timeout=120)
    first, second = ((tmp_path / f"rank{rank}").read_text() for rank in range(2))
    assert first == second and int(first.split()[0]) > 1


def one_step(architecture: str, augmentation: str, accelerator: Accelerator) -> Callable[[int], dict[str, Tensor]]:
    """A training step of small networks on random images, with all terms of the loss that the architecture takes."""
    torch.manual_seed(0)
    image_shape = ImageShape(channels=3, resolution=32, num_classes=10)
    penalty = {"gamma": 1.0, "interval": 2}
    settings: dict[str, Any] = {"r1": penalty, "r2": penalty, "augmentation": augmentation}
    settings["penalise_before_augmentation"] = augmentation == "pipeline"
    if architecture in ("dcgan", "resnet"):
        settings |= {"feature_matching": {"weight": 1.0}, "classification": {"weight": 0.1}}
    method = AdversarialTraining(
        settings | {"loss": "relativistic"}, spec_of(architecture, {}, image_shape), accelerator
    )
    ema = ExponentialMovingAverage(method.model, 1000)
    images = torch.rand(4, 3, 32, 32, device=accelerator.device) * 2 - 1
    labels = torch.eye(10, device=accelerator.device)[:4]

    def step(number: int) -> dict[str, Tensor]:
        state = StepState(number, number / 10, 4 * number, StepDraws(0, number, 4, 0, 1, accelerator.device))
        measured = method.step(Batch(images, labels), state)
        ema.update(4, state)
        return measured

    return step


def launched(**settings: Any) -> Accelerator:
    """An Accelerator with these settings, in place of an earlier one of the same test."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(**settings)


STEPS = [
    *((name, "none") for name in ("mlp", "dcgan", "resnet", "style", "style-dcgan", "r3gan")),
    ("dcgan", "ada"),
    ("dcgan", "diffaugment"),
    ("r3gan", "pipeline"),
]


@pytest.mark.parametrize(("architecture", "augmentation"), STEPS)
def test_a_step_in_half_precision(architecture: str, augmentation: str) -> None:
    """As GPUs compute it: bfloat16 in the networks, full precision around them."""
    step = one_step(architecture, augmentation, launched(cpu=True, mixed_precision="bf16"))
    losses = [measured.item() for number in range(3) for measured in step(number).values()]
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize("architecture", ["dcgan", "resnet", "style", "style-dcgan", "r3gan"])
def test_a_compiled_step_measures_the_same(architecture: str) -> None:
    """As `accelerate launch --dynamo_backend` asks; this backend traces and differentiates, and needs no compiler."""
    measured = {}
    for backend in ("no", "aot_eager"):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        step = one_step(architecture, "none", launched(cpu=True, dynamo_backend=backend))
        measured[backend] = [{name: value.item() for name, value in step(number).items()} for number in range(3)]
        assert (torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0) == (backend == "aot_eager")
        assert not torch._dynamo.utils.counters["graph_break"]
    # Later steps less exactly: Adam begins with the gradients' signs, and rounding decides those of the smallest.
    for eager, compiled, tolerance in zip(measured["no"], measured["aot_eager"], (1e-5, 2e-3, 2e-3), strict=True):
        assert compiled == pytest.approx(eager, rel=tolerance, abs=tolerance / 10)


def test_precision_is_that_of_the_device_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCELERATE_USE_CPU", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, expected in (((7, 5), "no"), ((8, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        assert mixed_precision() == expected
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert mixed_precision() == "no"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    assert mixed_precision() == "fp16"


class NoReading(TorchDispatchMode):
    """Refuses what makes the CPU wait for a number of the device."""

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):  # noqa: ANN001, ANN204
        assert str(operation) not in ("aten._local_scalar_dense.default", "aten.nonzero.default", "aten.equal.default")
        return operation(*arguments, **(keywords or {}))


@pytest.mark.parametrize(("architecture", "augmentation"), STEPS)
def test_a_step_reads_no_number_back(architecture: str, augmentation: str) -> None:
    step = one_step(architecture, augmentation, Accelerator(cpu=True))
    with NoReading():
        for number in range(3):
            step(number)
        with pytest.raises(AssertionError):
            torch.ones(1).item()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: this machine has no CUDA GPU to synchronise with")
@pytest.mark.parametrize("backend", ["no", "inductor"])
@pytest.mark.parametrize(("architecture", "augmentation"), STEPS)
def test_a_step_on_a_gpu_never_waits_for_it(architecture: str, augmentation: str, backend: str) -> None:
    """In mixed precision, compiled or not."""
    step = one_step(architecture, augmentation, launched(mixed_precision="bf16", dynamo_backend=backend))
    for number in range(3):  # what is set up once may wait
        step(number)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(3, 6):
            step(number)
    finally:
        torch.cuda.set_sync_debug_mode("default")
