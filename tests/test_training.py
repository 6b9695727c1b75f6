"""The training loop: resume to the bit, any number of processes, moving averages, divergence, settings."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint import WEIGHTS_FILE, step_folders
from aigc_core.draws import ShuffledStream, StepDraws
from aigc_core.ema import ExponentialMovingAverage, with_standing_statistics
from aigc_core.models import ImageShape, build_generator
from aigc_core.training import TrainingConfig, train

SETTINGS = {
    "architecture": "dcgan",
    "architecture_config.generator_width": 4,
    "architecture_config.discriminator_width": 4,
    "architecture_config.latent_dim": 8,
    "method_config.r1_gamma": 1.0,
    "batch_size": 8,
    "resolution": 28,
    "channels": 1,
    "checkpoint_images": 80,
    "horizontal_flip": "true",
    "method_config.augmentation": "ada",
}


def command(data: Path, out: Path, images: int, *more: str) -> list[str]:
    settings = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    start = [sys.executable, "-m", "aigc_core", "train", "--preset", "mnist", "--data", str(data), "--out", str(out)]
    return [*start, "--images", str(images), *settings, *more]


ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def config(data: Path, **changes: object) -> TrainingConfig:
    values = {
        "data": str(data),
        "resolution": 28,
        "channels": 1,
        "architecture": "mlp",
        "method_config": {"r1_gamma": 1.0},
        "images": 160,
        "batch_size": 8,
        "checkpoint_images": 80,
    }
    return TrainingConfig(**(values | changes))  # type: ignore[arg-type]


def test_killed_runs_resume_to_the_same_weights(digits_folder: Path, tmp_path: Path) -> None:
    """kill -9 at random moments, then --resume, must end on the bits of a run that was never stopped."""
    images = 1600
    subprocess.run(command(digits_folder, tmp_path / "whole", images), env=ONE_THREAD, check=True, capture_output=True)
    moments = random.Random()
    for _ in range(3):
        run = subprocess.Popen(
            command(digits_folder, tmp_path / "killed", images, "--resume"),
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
    assert whole.name == killed.name == "step-0000200"
    for name in (
        WEIGHTS_FILE,
        "training_state/discriminator.safetensors",
        "training_state/generator_optimizer.safetensors",
    ):
        ours, theirs = load_file(whole / name), load_file(killed / name)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key]), f"{name}: {key}"


def test_interrupt_keeps_what_was_done_and_resumes(digits_folder: Path, tmp_path: Path) -> None:
    words = command(digits_folder, tmp_path / "run", 80_000)
    run = subprocess.Popen(words, env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run").is_dir() or not step_folders(tmp_path / "run"):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130 and "Traceback" not in errors
    assert (step_folders(tmp_path / "run")[-1] / "training_state").is_dir()


def test_two_processes_equal_one(digits_folder: Path, tmp_path: Path) -> None:
    """A model without batch statistics, the same global batch: the same weights to float tolerance."""
    script = (
        "import sys\nfrom aigc_core.training import TrainingConfig, train\n"
        f"train(TrainingConfig(data={str(digits_folder)!r}, resolution=28, channels=1, architecture='mlp',"
        "method_config={'r1_gamma': 1.0}, images=160, batch_size=8, checkpoint_images=1000,"
        "horizontal_flip=True), sys.argv[1], trackers=())"
    )
    path = tmp_path / "script.py"
    path.write_text(script)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(path)]
    environment = ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    for words, name in (([sys.executable, str(path)], "one"), (launch, "two")):
        subprocess.run([*words, str(tmp_path / name)], env=environment, check=True, capture_output=True)
    one, two = (load_file(step_folders(tmp_path / name)[-1] / WEIGHTS_FILE) for name in ("one", "two"))
    fresh = build_generator("mlp", {}, ImageShape(channels=1, resolution=28, num_classes=10)).state_dict()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(tensor, fresh[name], rtol=1e-3, atol=1e-3)


def test_training_lowers_the_distance_to_the_data(digits_folder: Path, tmp_path: Path) -> None:
    """The mean image of the samples comes closer to the data's than an untrained generator's is."""
    from aigc_core.data import load_dataset

    data_mean = load_dataset(str(digits_folder), resolution=28, channels=1).images.float().mean(0)
    newest = train(config(digits_folder, images=16_000, checkpoint_images=100_000), tmp_path / "run", trackers=())
    trained = Checkpoint.from_pretrained(newest)
    untrained = build_generator("mlp", {}, ImageShape(channels=1, resolution=28, num_classes=10))
    fresh = Checkpoint(trained.config, untrained.eval())
    distances = [
        (checkpoint.sample(seed=0, count=256).images.float().mean(0) - data_mean).square().mean()
        for checkpoint in (trained, fresh)
    ]
    assert distances[0] < distances[1] / 4


def test_divergence_stops_and_keeps_the_last_good_checkpoint(digits_folder: Path, tmp_path: Path) -> None:
    diverging = {
        "loss": "wasserstein",
        "r1_gamma": 0.0,
        "generator_learning_rate": 1e35,
        "discriminator_learning_rate": 1e35,
    }
    train(config(digits_folder, images=80), tmp_path / "run", trackers=())
    with pytest.raises(AIGCError, match="diverged.*step-0000010"):
        train(config(digits_folder, method_config=diverging, images=8000), tmp_path / "run", resume=True, trackers=())
    assert [folder.name for folder in step_folders(tmp_path / "run")] == ["step-0000010"]
    Checkpoint.from_pretrained(tmp_path / "run")


def test_a_run_is_not_overwritten(digits_folder: Path, tmp_path: Path) -> None:
    train(config(digits_folder, images=8), tmp_path / "run", trackers=())
    with pytest.raises(AIGCError, match="--resume"):
        train(config(digits_folder, images=8), tmp_path / "run", trackers=())


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
    assert written["images_seen"] == 160 and written["step"] == 20 and written["recipe"]["batch_size"] == 8
    assert list((tmp_path / "run").rglob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--preset", "mnist", "--set", "batch_sizes=3"], "unknown key 'batch_sizes'"),
        (["--preset", "mnist", "--set", "batch_size=big"], "'batch_size' is wrong"),
        (["--preset", "mnist", "--set", "method_config.loss=none"], "'loss' is wrong"),
        (["--preset", "mnist", "--set", "architecture=gpt"], "no architecture named 'gpt'"),
        (["--preset", "mnist", "--data", "/no/such/folder"], "/no/such/folder"),
        ([], "Choose a --preset"),
    ],
)
def test_wrong_settings_end_in_a_sentence(
    words: list[str], sentence: str, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from aigc_core.cli import main

    data = [] if "--data" in words else ["--data", str(digits_folder), "--set", "resolution=28"]
    assert main(["train", *words, *data, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_every_preset_is_valid() -> None:
    from aigc_core.commands.train import preset_names, read_preset

    assert {"mnist-mlp", "mnist", "fashion-mnist", "cifar10", "cifar10-r3gan", "ffhq64-r3gan", "folder"} <= set(
        preset_names()
    )
    for name in preset_names():
        TrainingConfig(**read_preset(name))


def test_moving_average_by_hand() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    ema = ExponentialMovingAverage(layer, half_life=100, ramp_up=1e9)
    layer.weight.data.fill_(1.0)
    ema.update(batch_size=100, images_seen=100)
    assert ema.generator.weight.item() == pytest.approx(0.5)  # one half-life: half the way
    ema.update(batch_size=200, images_seen=300)
    assert ema.generator.weight.item() == pytest.approx(0.875)  # two more: three quarters of what was left


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
