"""An image made by a model is found again; a foreign one is approached; uploads that cannot be used are refused."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy
import pytest
import soundfile
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.families.base import Batch, Condition, EncodingModel, ModelSpec, StepState, families
from aigc_core.modalities.image import ImageModality
from aigc_core.modalities.provenance import Statement
from aigc_core.rng import StepDraws
from aigc_core.sampling.directions import load_directions
from aigc_core.sampling.inversion import invert, pyramid_loss, target_image
from aigc_core.sampling.sample import render, sample
from tests.toy_models import sounds_checkpoint, toy_checkpoint

SHIPPED = Path(__file__).parents[2] / "checkpoints"
GREY = ImageModality(channels=1, resolution=28)
COLOUR = ImageModality(channels=3, resolution=32)


def mean_error(first: Tensor, second: Tensor) -> float:
    return (first.int() - second.int()).abs().float().mean().item()


@pytest.mark.parametrize(("name", "tolerance"), [("mnist-mlp", 3), ("fashion-mnist", 6)])
def test_an_image_of_a_shipped_model_is_found_again(name: str, tolerance: float) -> None:
    checkpoint = Checkpoint.from_pretrained(SHIPPED / name)
    original = sample(checkpoint, SampleRequest(seed=50_000)).images[0]
    history = list(invert(checkpoint, original))
    result = history[-1]
    assert result.loss < 0.1 * history[0].loss
    assert mean_error(result.reproduction, original) < tolerance
    assert mean_error(sample(checkpoint, SampleRequest(seed=50_001)).images[0], original) > 3 * tolerance
    assert torch.equal(render(checkpoint, result.codes, Condition(result.labels))[0], result.reproduction)


def test_in_a_model_with_styles_one_style_is_found() -> None:
    checkpoint = toy_checkpoint("toy-style")
    original = sample(checkpoint, SampleRequest(seed=50_000)).images[0]
    *_, result = invert(checkpoint, original)
    assert mean_error(result.reproduction, original) < 2
    assert result.codes.shape == (1, 3, 8) and (result.codes == result.codes[:, :1]).all()


def test_a_held_class_stays_and_a_free_one_is_found() -> None:
    checkpoint = Checkpoint.from_pretrained(SHIPPED / "fashion-mnist")
    original = sample(checkpoint, SampleRequest(seed=3, labels="Bag")).images[0]
    *_, held = invert(checkpoint, original, label="Sandal", steps=3)
    sandal, bag = (checkpoint.config.class_names.index(name) for name in ("Sandal", "Bag"))
    assert held.labels[0, sandal] == 1
    *_, free = invert(checkpoint, original)
    assert free.labels.argmax() == bag and free.labels.sum() == pytest.approx(1)


def test_a_foreign_image_is_approached_and_the_result_can_be_edited(digits_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "mnist-mlp", tmp_path / "mnist-mlp", ignore=shutil.ignore_patterns("step-*"))
    checkpoint = Checkpoint.from_pretrained(tmp_path / "mnist-mlp")
    digit = digits_folder / "4" / "7.png"
    history = list(invert(checkpoint, digit, steps=100))
    assert [inversion.step for inversion in history] == list(range(101))
    assert history[-1].loss < 0.5 * history[0].loss
    result = history[-1]
    step = load_directions(checkpoint).step(load_directions(checkpoint).strongest(1)[0])
    edited = render(checkpoint, result.codes + 2 * step, Condition(result.labels))[0]
    assert mean_error(edited, result.reproduction) > 3


def test_the_same_seed_finds_the_same_latent() -> None:
    checkpoint = toy_checkpoint("dcgan")
    original = sample(checkpoint, SampleRequest(seed=9)).images[0]
    *_, first = invert(checkpoint, original, steps=5, seed=4)
    *_, second = invert(checkpoint, original, steps=5, seed=4)
    assert torch.equal(first.codes, second.codes) and torch.equal(first.labels, second.labels)


def trained_vae(images: Tensor, class_names: tuple[str, ...]) -> Checkpoint:
    """A small VAE that has learnt float images [N, 1, 28, 28]; image n is of class n mod the number of classes."""
    torch.manual_seed(0)
    config = {"latent_dim": 4, "width": 16, "refinements": 0}
    spec = ModelSpec("convolutional", config, GREY, len(class_names))
    method = families["vae"].build_method("elbo", {"learning_rate": 3e-3}, spec, Accelerator(cpu=True))
    batch = Batch(images, class_weights(len(images), len(class_names)))
    for step in range(150):
        draws = StepDraws(0, step, len(images), 0, 1, torch.device("cpu"))
        method.step(batch, StepState(step, 0.0, step * len(images), draws))
    stored = CheckpointConfig(
        family="vae",
        architecture="convolutional",
        architecture_config=config,
        shape={"channels": 1, "resolution": 28},
        num_classes=len(class_names),
        class_names=class_names,
        dataset="toy",
    )
    return Checkpoint(stored, method.model.eval().requires_grad_(False))


def class_weights(number: int, num_classes: int) -> Tensor:
    return torch.eye(num_classes)[torch.arange(number) % num_classes] if num_classes else torch.zeros(number, 0)


@pytest.mark.parametrize("class_names", [(), ("Shirt", "Bag")])
def test_an_encoder_gives_the_start(class_names: tuple[str, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.nn.functional.interpolate(torch.randn(8, 1, 4, 4, generator=generator).sign() * 0.8, size=28)
    checkpoint = trained_vae(images, class_names)
    model, picture = checkpoint.model, GREY.to_stored(images)[1]
    assert isinstance(model, EncodingModel)
    held = "Bag" if class_names else ""
    start, *_, result = invert(checkpoint, picture, label=held, steps=20)
    condition = Condition(class_weights(2, len(class_names))[1:])
    target = GREY.to_model(picture[None])
    expected = model.encode_samples(target, condition)
    torch.testing.assert_close(start.codes, expected)
    assert torch.equal(start.labels, condition.classes)
    assert start.loss < 0.1 * pyramid_loss(torch.zeros(1, 1, 28, 28), target).item()
    assert result.loss <= start.loss
    # Nothing is drawn at random, with the class free as well.
    (first,), (second,) = (list(invert(checkpoint, picture, steps=0, seed=seed)) for seed in (0, 7))
    assert torch.equal(first.codes, second.codes) and torch.equal(first.labels, second.labels)


def test_a_sound_of_a_shipped_model_is_found_again_from_its_file(tmp_path: Path) -> None:
    checkpoint = Checkpoint.from_pretrained(SHIPPED / "drums")
    kind, sound = checkpoint.modality, sample(checkpoint, SampleRequest(seed=3, labels="kick")).stored
    statement = Statement("", checkpoint.weights_sha256)
    (file,) = kind.write_each(tmp_path, ["kick"], sound, [statement])
    start, found = invert(checkpoint, file, label="kick", steps=1)
    target, other = (kind.to_model(stored) for stored in (sound, sample(checkpoint, SampleRequest(seed=4)).stored))
    assert start.loss < 0.1 * pyramid_loss(other, target).item()
    assert found.reproduction.shape == sound[0].shape and found.reproduction.dtype == torch.int16
    assert torch.equal(render(checkpoint, found.codes, Condition(found.labels))[0], found.reproduction)


def test_uploaded_sounds_are_treated_as_training_data_are(tmp_path: Path) -> None:
    checkpoint = sounds_checkpoint("kick", "snare")
    rate, kind = 44_100, checkpoint.modality
    quiet = 0.01 * numpy.sin(2 * numpy.pi * 440 * numpy.arange(rate) / rate)
    soundfile.write(tmp_path / "long.flac", numpy.stack([quiet, quiet], 1), rate)
    for folder in ("low", "high"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        shutil.copy(tmp_path / "long.flac", tmp_path / "data" / folder)
    expected = type(kind).load(str(tmp_path / "data"), {"bands": 32, "frames": 32})[1].samples[0]
    assert torch.equal(kind.read_stored(tmp_path / "long.flac")[0], expected)
    by_file, by_samples = (list(invert(checkpoint, given, steps=1)) for given in (tmp_path / "long.flac", expected))
    assert [state.loss for state in by_file] == [state.loss for state in by_samples]
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(AIGCError, match="cannot be read as a sound"):
        invert(checkpoint, tmp_path / "broken.wav")


def test_loss_of_a_pyramid_by_hand() -> None:
    target = torch.zeros(1, 1, 4, 4)
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 0, 0] = 4
    # 16/16 at 4 × 4; the average of a quarter is 1, so 1/4 at 2 × 2; the average of all is 1/4, so 1/16 at 1 × 1.
    assert pyramid_loss(image, target).item() == pytest.approx(1 + 1 / 4 + 1 / 16)


def test_uploads_of_any_kind_fit_the_model() -> None:
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    target = target_image(wide, COLOUR)
    assert target.shape == (3, 32, 32) and target.dtype == torch.uint8
    assert target[:, 16, 16].tolist() == [0, 0, 255]  # the centre square
    assert target_image(wide, GREY).shape == (1, 28, 28)
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert (target_image(clear, GREY) == 255).all()
    for mode in ("1", "L", "LA", "P", "I;16", "RGBA"):
        assert target_image(Image.new(mode, (40, 50)), COLOUR).shape == (3, 32, 32)
    pixels = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
    assert torch.equal(target_image(pixels, COLOUR), pixels)
    buffer = io.BytesIO()
    wide.save(buffer, "JPEG")
    assert target_image(buffer, COLOUR).shape == (3, 32, 32)


def test_uploads_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    uploads = [Image.new("L", (1, 1)), tmp_path / "broken.png", tmp_path / "huge.png", tmp_path / "none.png"]
    uploads += [Image.new("1", (10_000, 6_000)), torch.zeros(3, 1, 1, dtype=torch.uint8)]
    for upload in uploads:
        with pytest.raises(AIGCError) as caught:
            target_image(upload, GREY)
        assert "\n" not in str(caught.value)
    with pytest.raises(AIGCError, match="no class"):
        invert(toy_checkpoint(), Image.new("L", (28, 28)), label="Hat")
