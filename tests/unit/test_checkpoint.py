"""Folders ⇄ checkpoints: written whole or not at all, and nothing read is trusted."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.access import SHIPPED
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.checkpoint.folder import read_config, step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE
from aigc_core.evaluation.results import Result
from aigc_core.files import atomic_directory, atomic_write
from aigc_core.hub.resolve import resolve_reference
from aigc_core.inspection import read_provenance
from aigc_core.modalities.image import image_kind
from aigc_core.sampling.sample import sample
from aigc_core.training.state import Counters
from aigc_core.translation import translate_error
from tests.processes import assert_one_sentence, fill, run_cli, run_here, run_with_little_space
from tests.toy_models import ARCHITECTURES, toy_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_checkpoint().save_pretrained(tmp_path / "toy")


def assert_refused(folder: Path | str, *words: str) -> None:
    """Loading ends in one sentence that contains the words."""
    with pytest.raises(AIGCError) as caught:
        Checkpoint.from_pretrained(folder)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value


def change_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saved_and_loaded_models_draw_the_same(architecture: str, tmp_path: Path) -> None:
    checkpoint = toy_checkpoint(architecture)
    checkpoint.save_pretrained(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    again = Checkpoint.from_pretrained(tmp_path / "model")
    request = SampleRequest(seed=3, count=4)
    assert again.config == checkpoint.config
    assert torch.equal(sample(again, request).images, sample(checkpoint, request).images)


def test_steps_of_a_run_can_be_named(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint()
    for step in (1000, 200, 30_000):
        checkpoint.save_pretrained(tmp_path / f"step-{step:07d}")
    (tmp_path / "step-0090000").mkdir()  # incomplete
    assert [path.name for path in step_folders(tmp_path)] == ["step-0000200", "step-0001000", "step-0030000"]
    assert resolve_reference(tmp_path).name == "step-0030000"
    assert resolve_reference(f"{tmp_path}@step-0001000").name == "step-0001000"
    assert resolve_reference(f"{tmp_path}@main").name == "step-0030000"


@pytest.mark.parametrize(
    "revision", ["step-0000001", "../toy", "../../etc", "..", "/etc", "step-0001000/..", "", "\0", "x" * 5000]
)
def test_revisions_do_not_lead_out_of_the_folder(revision: str, tmp_path: Path) -> None:
    toy_checkpoint().save_pretrained(tmp_path / "run" / "step-0001000")
    if revision:
        assert_refused(f"{tmp_path / 'run'}@{revision}")
    else:
        assert resolve_reference(f"{tmp_path / 'run'}@").name == "step-0001000"


@pytest.mark.parametrize(
    "name",
    [
        "nothing here", "../nothing", "../../../etc/passwd", "/etc/passwd", "a/../../b", "a/..", "../a/b", "a/b/c", "",
        "x" * 5000, "a\0b", "~nobody-of-that-name/x", "owner/name/../..", "https://example.org/a/b", "./-", "a//b",
    ],
)  # fmt: skip
def test_names_that_are_no_checkpoint(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(name)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    assert_refused(tmp_path, "model.pt", "pickle")
    assert_refused(tmp_path / "model.pt", "a pickle")


def test_damaged_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for content in (b"", b"{}", whole[:100], whole[:-1], b"\xff" * 1000, whole + b"x", (2**63).to_bytes(8, "little")):
        weights.write_bytes(content)
        assert_refused(folder, "model.safetensors", "fetch it again")
    weights.unlink()
    assert_refused(folder, "missing")


def test_every_truncation_and_many_flipped_bytes_are_refused_or_harmless(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for position in range(0, header, 23):
        damaged = bytearray(whole)
        damaged[position] ^= 0x15
        weights.write_bytes(damaged)
        try:
            sample(Checkpoint.from_pretrained(folder), SampleRequest())
        except AIGCError:
            continue


def test_weights_that_do_not_fit_the_config(folder: Path) -> None:
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    name = "stem.weight"
    for changed in (
        {**tensors, "extra": torch.zeros(1)},
        {other: tensor for other, tensor in tensors.items() if other != name},
        {**tensors, name: tensors[name][:-1].contiguous()},
        {**tensors, name: tensors[name].double()},
        {**tensors, name: tensors[name].to(torch.int8)},
    ):
        save_file(changed, weights)
        assert_refused(folder, "does not fit")
    change_config(folder, architecture_config={"latent_dim": 25})
    save_file(tensors, weights)
    assert_refused(folder, "does not fit")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder: Path, value: float) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["stem.weight"][3, 4] = value
    save_file(tensors, folder / "model.safetensors")
    assert_refused(folder, "not finite", "stem.weight")


@pytest.mark.parametrize(
    "values",
    [
        {"architecture": "unknown"}, {"architecture": "../dcgan"}, {"architecture": 3}, {"surprise": 1},
        {"format_version": 3}, {"architecture_config": {"latent_dim": -1}}, {"architecture_config": {"new": 1}},
        {"architecture_config": {"generator_width": 10**12}}, {"step": -1}, {"step": "many"}, {"step": 1e400},
        {"shape": {"channels": 2, "resolution": 28}}, {"shape": {"channels": 1, "resolution": 30}},
        {"shape": {"channels": 1, "resolution": 1024}, "num_classes": 10_000}, {"shape": {"channels": 1}},
        {"num_classes": 4}, {"num_classes": -1}, {"modality": "smell"}, {"family": "unknown"}, {"format_version": 1},
        {"class_names": ["x" * 300]}, {"dataset": None},
        {"class_shares": [0.5, 0.5]}, {"class_shares": [0.5, 0.7, -0.2]}, {"class_shares": [1, 1, 1]},
        {"class_shares": [0.5, float("nan"), 0.5]},
        {"architecture": "mlp", "architecture_config": {"generator_widths": [10**12, 10**12]}},
        {"architecture": "mlp", "architecture_config": {"generator_widths": [-1, 0]}},
    ],
)  # fmt: skip
def test_configs_that_are_wrong(folder: Path, values: dict) -> None:
    change_config(folder, **values)
    assert_refused(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"step": ' + b"9" * 5000 + b"}", b" " * 10**7]
)
def test_configs_that_are_no_config(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    assert_refused(folder, "config.json")


def test_bad_checkpoints_on_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sample", str(folder), "--out", str(tmp_path / "x.png")]
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert_one_sentence(run_here(capsys, *words), "damaged")
    change_config(folder, architecture="unknown")
    assert_one_sentence(run_cli(*words), "no architecture")
    assert not (tmp_path / "x.png").exists()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "step-0000001"
    with pytest.raises(KeyboardInterrupt), atomic_directory(target) as unfinished:
        (unfinished / "config.json").write_text("{}")
        assert not target.exists() and not step_folders(tmp_path)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_visible_folder(tmp_path: Path) -> None:
    toy_checkpoint().save_pretrained(tmp_path / "step-0000001")
    script = (
        "import sys, time; from pathlib import Path; from tests.toy_models import toy_checkpoint\n"
        "from aigc_core.files import atomic_directory\n"
        f"with atomic_directory(Path({str(tmp_path)!r}) / 'step-0000002') as folder:\n"
        "    toy_checkpoint().write_files(folder); print('written', flush=True); time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert writer.stdout and writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert [path.name for path in step_folders(tmp_path)] == ["step-0000001"]
    assert resolve_reference(tmp_path).name == "step-0000001"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "image.png"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as unfinished:
        unfinished.write_text("new")
        assert target.read_text() == "old" and unfinished.suffix == ".png"
        raise KeyboardInterrupt
    with atomic_write(target) as unfinished:
        unfinished.write_text("new")
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]
    with pytest.raises(AIGCError, match="could not be written"), atomic_write(target / "below"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the disk are set as Linux does")
@pytest.mark.parametrize("name", ["samples.npz", "samples.png", "movie.gif", "movie.mp4"])
def test_a_full_disk_is_one_sentence(folder: Path, small_disk: Path, name: str) -> None:
    filler = fill(small_disk, leave=60_000)
    count = "12" if name.startswith("movie") else "2000"
    result = run_with_little_space(small_disk, "sample", str(folder), "--num", count, "--out", str(small_disk / name))
    assert_one_sentence(result, "could not be written")
    assert [path for path in small_disk.iterdir() if path != filler] == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the disk are set as Linux does")
def test_saving_on_a_full_disk_keeps_what_was_there(small_disk: Path) -> None:
    if not os.path.ismount(small_disk):
        pytest.skip("no file system can be mounted here")
    filler = fill(small_disk, leave=60_000)
    checkpoint = toy_checkpoint("mlp")
    with pytest.raises(AIGCError, match="disk is full"):
        checkpoint.save_pretrained(small_disk / "step-0000001")
    assert list(small_disk.iterdir()) == [filler]


def test_a_full_disk_is_told_from_other_faults(tmp_path: Path) -> None:
    with pytest.raises(AIGCError, match="disk is full") as full, atomic_write(tmp_path / "a"):
        Path("/dev/full").write_text("more than fits")
    assert "磁盘已满" in translate_error(full.value, "zh")
    with pytest.raises(AIGCError, match="Permission denied"), atomic_write(tmp_path / "a"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_the_config_alone_can_be_read(folder: Path) -> None:
    assert read_config(folder).class_name(1) == "Bag" and read_config(folder).class_name(2) == "Coat"


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "version_1").iterdir()), ids=lambda path: path.stem)
def test_a_config_of_version_1_opens_as_version_2(path: Path, tmp_path: Path) -> None:
    """What it said of images is the modality's shape, and the rest is as it was."""
    written = json.loads(path.read_text())
    shutil.copy(path, tmp_path / CONFIG_FILE)
    config = read_config(tmp_path)
    opened = config.model_dump(mode="json")
    assert written.pop("format_version") == 1 and opened["format_version"] == 2 and opened["modality"] == "image"
    image_shape = written.pop("image_shape")
    assert opened["shape"] == {name: image_shape[name] for name in ("channels", "resolution")}
    assert opened["num_classes"] == image_shape["num_classes"]
    assert opened["samples_seen"] == written.pop("images_seen") > 0
    assert {name: opened[name] for name in written} == written
    kind = image_kind(config.sample_kind)
    assert (kind.channels, kind.resolution) == (image_shape["channels"], image_shape["resolution"])
    assert CheckpointConfig.model_validate_json(config.as_json()) == config


@pytest.mark.parametrize(
    ("config_type", "others"),
    [
        (CheckpointConfig, {"architecture": "mlp", "shape": {"channels": 1, "resolution": 28}, "dataset": "mnist"}),
        (
            Result,
            {
                "protocol": {"dataset": "mnist", "dataset_hash": "0", "num_reference": 9, "num_samples": 100},
                "figures": {},
            },
        ),
        (Counters, {"step": 1, "training_seconds": 0.5}),
    ],
)
def test_files_that_count_images_seen_open_and_are_written_as_samples_seen(
    config_type: type[CheckpointConfig | Result | Counters], others: dict[str, object]
) -> None:
    opened = config_type.model_validate(others | {"images_seen": 64})
    assert opened.samples_seen == 64
    assert config_type.model_validate_json(opened.model_dump_json()) == opened
    assert '"samples_seen":64' in opened.model_dump_json() and "images_seen" not in opened.model_dump_json()


def test_what_ships_is_small_and_has_steps_to_compare() -> None:
    """EMA weights of 10 MB at most, 60 MB in all, and extractors of 3 MB at most."""
    models = {path.parent.name: path for path in SHIPPED.glob(f"*/{WEIGHTS_FILE}")}
    pictures = {"avatars", "mnist-mlp", "mnist", "fashion-mnist", "cifar10", "emoji"}
    families = {"fashion-mnist-vae", "fashion-mnist-vqvae", "fashion-mnist-flow"}
    assert set(models) == pictures | families | {"poems", "shakespeare", "python", "drums", "digits"}
    assert max(path.stat().st_size for path in SHIPPED.rglob(WEIGHTS_FILE)) <= 10e6
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 60e6
    assert [step.name for step in step_folders(SHIPPED / "fashion-mnist")] == ["step-0007813"]
    weights = list((SHIPPED.parent / "aigc_core" / "metrics" / "weights").rglob("*.safetensors"))
    assert len(weights) == 10 and max(path.stat().st_size for path in weights) <= 3e6


@pytest.mark.parametrize("name", ["poems", "python", "shakespeare", "fashion-mnist-vqvae"])
def test_previews_of_tokens_are_those_of_the_weights_that_ship(name: str) -> None:
    """Rounded weights draw the same pictures, but here and there other tokens."""
    checkpoint = Checkpoint.from_pretrained(SHIPPED / name)
    (preview,) = (SHIPPED / name).glob("samples.???")
    assert read_provenance(preview).weights == checkpoint.weights_sha256
