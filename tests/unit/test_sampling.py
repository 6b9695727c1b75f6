"""Requests, seeds, labels, truncation, offsets, style mixing and the command that writes samples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from aigc_core import AIGCError, SampleRequest
from aigc_core.cli import main
from aigc_core.config import parse_config
from aigc_core.modalities.image import image_grid
from aigc_core.sampling.noise import draw_noise
from aigc_core.sampling.sample import sample
from tests.processes import assert_one_sentence, run_cli, run_here
from tests.toy_models import ARCHITECTURES, toy_checkpoint

ROOT = Path(__file__).parents[2]


def test_canonical_string_and_back() -> None:
    request = SampleRequest(
        checkpoint="owner/name@step-0001000", seed=7, count=3, labels="Bag:0.7+Coat:0.3", truncation=0.1 + 0.2,
        offsets={"z12": 1.5, "pca0": -2, "z3": 0}, mix_seed=4, mix_layer=2,
    )  # fmt: skip
    text = request.canonical()
    assert SampleRequest.from_canonical("?" + text) == request
    assert "z3" not in text and "offset.pca0=-2&" in text + "&"
    assert SampleRequest().canonical() == ""
    dotted = SampleRequest(checkpoint="ada/gan-1.0", labels="2.0", truncation=0.5)
    assert SampleRequest.from_canonical(dotted.canonical()) == dotted


@pytest.mark.parametrize(
    "values",
    [
        {"seed": "1e30"}, {"seed": 1e30}, {"seed": -1}, {"seed": "abc"}, {"seed": 2**32}, {"seed": "9" * 5000},
        {"count": 0}, {"count": 10**6}, {"count": "many"}, {"truncation": -0.1}, {"truncation": "nan"},
        {"truncation": 2}, {"offsets": {"z0": float("nan")}}, {"offsets": {"z0": 1e9}}, {"offsets": "z0"},
        {"labels": "x" * 20_000}, {"mix_seed": -1}, {"mix_layer": -1}, {"colour": "red"}, {"options": "x"},
        {"prompt": "Once"}, {"temperature": 1}, {"options": {"x": "y" * 20_000}},
    ],
)  # fmt: skip
def test_a_bad_request_is_one_sentence(values: dict) -> None:
    with pytest.raises(AIGCError) as caught:
        sample(toy_checkpoint("toy-style"), parse_config(SampleRequest, values, "Sample request"))
    assert "\n" not in str(caught.value)


def test_latents_depend_on_the_seed_alone() -> None:
    together, labels = draw_noise([5, 6, 7], (10,), 3)
    alone, label = draw_noise([6], (10,), 3)
    assert torch.equal(together[1:2], alone) and torch.equal(labels[1:2], label)
    expected = torch.randn(10, generator=torch.Generator().manual_seed(6))
    assert torch.equal(alone[0], expected)


def test_classes_are_as_frequent_as_in_the_data() -> None:
    shares = (0.5, 0.0, 0.3, 0.2)
    latents, labels = draw_noise(range(4000), (1,), 4, shares)
    counts = labels.sum(0)
    assert counts[1] == 0 and labels.sum(1).eq(1).all()
    # Three standard deviations of a binomial share are 0.024 at most.
    assert (counts / 4000 - torch.tensor(shares)).abs().max() < 0.024
    alone, label = draw_noise([1234], (1,), 4, shares)
    assert torch.equal(alone, latents[1234:1235]) and torch.equal(label, labels[1234:1235])
    checkpoint = toy_checkpoint()
    checkpoint.config = checkpoint.config.model_copy(update={"class_shares": (0.0, 0.0, 1.0)})
    assert sample(checkpoint, SampleRequest(count=20)).labels.argmax(1).eq(2).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_same_seed_same_image_in_any_batch(architecture: str) -> None:
    checkpoint = toy_checkpoint(architecture)
    many = sample(checkpoint, SampleRequest(seed=100, count=64)).images
    for k in (0, 13, 63):
        one = sample(checkpoint, SampleRequest(seed=100 + k)).images
        assert (one.int() - many[k : k + 1].int()).abs().max() <= 1
    assert (many[0].int() - many[1].int()).abs().float().mean() > 3


def test_single_requests_make_the_same_images() -> None:
    checkpoint = toy_checkpoint()
    request = SampleRequest(seed=2**32 - 2, count=5, labels="0, Bag,Shirt:0.5+Coat:0.5", truncation=0.7)
    assert [single.seed for single in request.singles()] == [2**32 - 2, 2**32 - 1, 0, 1, 2]
    together = sample(checkpoint, request)
    alone = [sample(checkpoint, single) for single in request.singles()]
    assert torch.equal(torch.cat([samples.labels for samples in alone]), together.labels)
    assert (torch.cat([samples.images for samples in alone]).int() - together.images.int()).abs().max() <= 1


def test_a_label_needs_a_conditional_model() -> None:
    with pytest.raises(AIGCError, match="no classes"):
        sample(toy_checkpoint("mlp"), SampleRequest(labels="0"))


def test_truncation_and_offsets_in_z() -> None:
    checkpoint = toy_checkpoint("mlp")
    latents, labels = draw_noise([3], (20,), 0)
    latents = 0.5 * latents
    latents[0, 12] += 1.5
    expected = toy_checkpoint().modality.to_stored(checkpoint.model(latents, labels))
    request = SampleRequest(seed=3, truncation=0.5, offsets={"z12": 1.5})
    assert torch.equal(sample(checkpoint, request).images, expected)


def test_truncation_offsets_and_mixing_in_w() -> None:
    checkpoint = toy_checkpoint("toy-style")
    generator = checkpoint.model
    (latents, labels), (mix_latents, mix_labels) = draw_noise([3], (6,), 3), draw_noise([9], (6,), 3)
    latents[0, 2] += 1.5
    mix_latents[0, 2] += 1.5
    styles = 0.25 + 0.5 * (generator.mapping(latents, labels) - 0.25)
    mixed = 0.25 + 0.5 * (generator.mapping(mix_latents, mix_labels) - 0.25)
    request = SampleRequest(seed=3, truncation=0.5, offsets={"z2": 1.5})
    expected = toy_checkpoint().modality.to_stored(generator.synthesis(styles))
    assert (sample(checkpoint, request).images.int() - expected.int()).abs().max() <= 1
    styles[:, 1:] = mixed[:, 1:]
    expected = toy_checkpoint().modality.to_stored(generator.synthesis(styles))
    request = SampleRequest(seed=3, truncation=0.5, offsets={"z2": 1.5}, mix_seed=9, mix_layer=1)
    assert (sample(checkpoint, request).images.int() - expected.int()).abs().max() <= 1


def test_edits_that_a_model_does_not_have() -> None:
    with pytest.raises(AIGCError, match="no styles to mix"):
        sample(toy_checkpoint("dcgan"), SampleRequest(mix_seed=1))
    with pytest.raises(AIGCError, match="layers are 0 to 2"):
        sample(toy_checkpoint("toy-style"), SampleRequest(mix_seed=1, mix_layer=3))
    for name in ("z24", "z", "z-1", "zz", "sefa99", "smile", "z" + "9" * 5000):
        with pytest.raises(AIGCError, match="no latent direction"):
            sample(toy_checkpoint("dcgan"), SampleRequest(offsets={name: 1}))


def test_grid() -> None:
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 2, 2)
    grid = image_grid(images, 3)
    assert grid[0, ::2, ::2].tolist() == [[0, 1, 2], [3, 4, 0]] and grid.shape == (1, 4, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_checkpoint().save_pretrained(tmp_path_factory.mktemp("models") / "toy")


def test_command_writes_every_format(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_cli(
        "sample", str(folder), "--seed", "7", "--num", "3", "--label", "Bag", "--out", str(tmp_path / "each")
    )
    assert result.returncode == 0, result.stderr
    assert (result.stdout, result.stderr) == (f"{tmp_path / 'each'}\n", "3 images written to:\n")
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["seed-7.png", "seed-8.png", "seed-9.png"]
    assert main(["sample", str(folder), "--num", "5", "--out", str(tmp_path), "--format", "npz"]) == 0
    arrays = numpy.load(tmp_path / "samples.npz")
    assert arrays["samples"].shape == (5, 1, 28, 28) and arrays["samples"].dtype == numpy.uint8
    assert arrays["labels"].shape == (5, 3) and (arrays["labels"].sum(1) == 1).all()
    assert main(["sample", str(folder), "--num", "3", "--out", str(tmp_path / "new" / "movie.gif")]) == 0
    with Image.open(tmp_path / "new" / "movie.gif") as movie:
        assert movie.is_animated and movie.info["loop"] == 0 and movie.width == 252  # type: ignore[attr-defined]
    assert not list(tmp_path.rglob(".*"))
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "samples.npz"), str(tmp_path / "new" / "movie.gif")]
    assert said.err.splitlines() == ["5 images written to:", "60 frames written to:"]


@pytest.mark.parametrize(
    "wanted",
    [
        SampleRequest(),
        SampleRequest(checkpoint="a folder/ü&=", seed=2**32 - 2, count=5, labels="0, Bag,Shirt:0.5+Coat:0.5"),
        SampleRequest(seed=3, count=4, prompt="Once & more", truncation=0.7, offsets={"pca0": -1.5}, mix_seed=0),
        SampleRequest(checkpoint="a/b", count=2, labels="Bag,Coat,Shirt"),
    ],
)
def test_the_strings_of_single_requests(wanted: SampleRequest) -> None:
    assert wanted.canonical_singles() == [single.canonical() for single in wanted.singles()]


def test_the_parts_of_a_request_make_the_same_images(folder: Path, tmp_path: Path) -> None:
    """Seeds that wrap, labels in turn; in a file as in parts."""
    whole = SampleRequest(seed=2**32 - 3, count=11, labels="Bag,Coat:2+Shirt,Coat", truncation=0.8)
    parts = [*whole.parts(4)]
    assert [part.count for part in parts] == [4, 4, 3]
    assert [single for part in parts for single in part.singles()] == whole.singles()
    checkpoint = toy_checkpoint()
    drawn = torch.cat([sample(checkpoint, part).images for part in parts])
    assert (drawn.int() - sample(checkpoint, whole).images.int()).abs().max() <= 1
    labels = torch.cat([sample(checkpoint, part).labels for part in parts])
    assert torch.equal(labels, sample(checkpoint, whole).labels)


def test_a_grid_that_could_not_be_opened_again_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sample", str(folder), "--num", "65000", "--out", str(tmp_path / "grid.png")]
    assert_one_sentence(run_here(capsys, *words), "make a picture of 50 million pixels")
    words = ["sample", str(folder), "--num", "20000", "--interpolate", "linear", "--out", str(tmp_path / "strip.png")]
    assert_one_sentence(run_here(capsys, *words), "name a folder")


@pytest.mark.parametrize("curve", ["linear", "spherical"])
def test_a_strip_leads_from_seed_to_seed(curve: str, folder: Path, tmp_path: Path) -> None:
    words = ["sample", str(folder), "--seed", "4", "--num", "3", "--label", "Bag", "--interpolate", curve]
    assert main([*words, "--out", str(tmp_path / "strip.png")]) == 0
    with Image.open(tmp_path / "strip.png") as strip:
        pixels = torch.from_numpy(numpy.array(strip))
        assert "trainedAlgorithmicMedia" in strip.info["XML:com.adobe.xmp"]
    assert pixels.shape == (28, 11 * 28)
    places = pixels.unflatten(1, (11, 28)).transpose(0, 1)
    images = sample(toy_checkpoint(), SampleRequest(seed=4, count=3, labels="Bag")).images[:, 0]
    assert (places[[0, 5, 10]].int() - images.int()).abs().max() <= 1
    latents, _ = draw_noise([4, 5], (24,), 3)
    angle = torch.acos(torch.nn.functional.cosine_similarity(latents[0], latents[1], dim=0))
    weights = torch.tensor([0.6, 0.4])
    if curve == "spherical":
        weights = (weights * angle).sin() / angle.sin()
    between = toy_checkpoint().model((weights @ latents)[None], torch.tensor([[0.0, 1.0, 0.0]]))
    assert (places[2].int() - toy_checkpoint().modality.to_stored(between)[0, 0].int()).abs().max() <= 1
    assert main(["inspect", str(tmp_path / "strip.png")]) == 2  # an image between seeds has no seed
    assert main([*words, "--out", str(tmp_path / "strip.npz")]) == 2


def test_importing_the_package_is_light() -> None:
    """Neither the apps' frameworks nor torchvision nor matplotlib are loaded, nor torch before it is needed."""
    script = (
        "import sys, aigc_core\nassert 'torch' not in sys.modules\n"
        "from aigc_core import AIGCError, Checkpoint, SampleRequest\nimport aigc_core.cli\n"
        "print([name for name in ('gradio', 'streamlit', 'torchvision', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout == "[]\n"


def test_bad_input_on_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out.png")
    for words, expected in {
        ("--seed", "1e30"): "seed", ("--seed=-1",): "seed", ("--num", "0"): "count", ("--num", "1000000"): "count",
        ("--truncation", "x"): "truncation", ("--format", "gif"): "contradict", ("--out", "x.jpg"): "png, npz, gif",
    }.items():  # fmt: skip
        assert main(["sample", str(folder), "--out", out, *words]) == 2
        message = capsys.readouterr().err
        assert expected in message and message.count("\n") == 1
    assert_one_sentence(run_here(capsys, "sample", str(folder), "--out", out, "--seed", "abc"), "seed")
    assert_one_sentence(run_here(capsys, "sample", str(folder), "--out", out, "--label", "Hat"), "no class")
    assert_one_sentence(run_here(capsys, "sample", "../nothing here", "--out", out), "no folder")
    assert_one_sentence(run_cli("sample", str(folder), "--num", "1", "--out", str(tmp_path / "x.mp4")), "two samples")
    assert list(tmp_path.iterdir()) == []
