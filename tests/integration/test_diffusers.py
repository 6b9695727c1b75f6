"""Pipelines of diffusers: the images of the library's own pipeline from the same noise, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from aigc_core import AIGCError, Checkpoint
from aigc_core.cli import main
from aigc_core.evaluation.results import SAMPLING_SEED, Result
from aigc_core.serving.leaderboard import collect
from tests.local_hub import LocalHub

diffusers = pytest.importorskip("diffusers", reason="the extra diffusers is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_paths: None) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


def unet(**settings: object):
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        **settings,
    ).eval()


@pytest.fixture(scope="module")
def ddpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with random weights as the library saves it."""
    folder = tmp_path_factory.mktemp("ddpm")
    diffusers.DDPMPipeline(unet(), diffusers.DDPMScheduler()).save_pretrained(folder)
    return folder


def drawn_by_diffusers(pipeline, start: int, steps: int, count: int, **options: object) -> Tensor:
    """uint8 [N, C, H, W], each image from a generator of its own with the seed of its sample."""
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(start + k) for k in range(count)]
    drawn = pipeline(generator=generators, num_inference_steps=steps, output_type="np", **options)
    return torch.from_numpy((drawn.images * 255).round().astype("uint8")).permute(0, 3, 1, 2)


def ddim_images(folder: Path, start: int, steps: int, count: int) -> Tensor:
    pipeline = diffusers.DDIMPipeline.from_pretrained(folder)
    return drawn_by_diffusers(pipeline, start, steps, count, batch_size=count, eta=0.0)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pipeline_draws_the_images_of_diffusers(ddpm: Path) -> None:
    expected = ddim_images(ddpm, 7, steps=4, count=3)
    checkpoint = Checkpoint.from_pretrained(ddpm)
    assert torch.equal(checkpoint.sample(seed=7, count=3, steps=4).stored, expected)
    assert torch.equal(checkpoint.sample(seed=8, count=1, steps=4).stored, expected[1:2])
    assert expected.float().std() > 20
    with pytest.raises(AIGCError, match="trained for 1000 steps|at most 1,000"):
        checkpoint.sample(seed=1, steps=2000)


def test_weights_by_the_names_of_earlier_versions_draw_the_images_of_diffusers(ddpm: Path, tmp_path: Path) -> None:
    """Of attention, in the older layout whose files all lie beside each other, as in google/ddpm-cifar10-32."""
    for file, content in files_of(ddpm).items():
        (tmp_path / Path(file).name).write_bytes(content)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    for now, before in {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}.items():
        tensors = {name.replace(f".{now}.", f".{before}."): tensor for name, tensor in tensors.items()}
    save_file(tensors, weights)
    assert sum(".query." in name for name in tensors) == 8
    found = Checkpoint.from_pretrained(tmp_path).sample(seed=7, count=2, steps=4).stored
    assert torch.equal(found, ddim_images(tmp_path, 7, steps=4, count=2))
    assert torch.equal(found, ddim_images(ddpm, 7, steps=4, count=2))
    save_file(tensors | {"mid_block.attentions.0.to_q.bias": torch.zeros(3)}, weights)
    with pytest.raises(AIGCError, match="does not fit its config: tensor 'mid_block.attentions.0.query.bias'"):
        Checkpoint.from_pretrained(tmp_path)


def test_figures_are_those_of_the_pipelines_own_images(
    ddpm: Path, digits_folder: Path, local_hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the Hub, in the older layout whose files all lie beside each other."""
    flat = {name.rpartition("/")[2]: content for name, content in files_of(ddpm).items()}
    local_hub.add("bob/ddpm", flat | {"diffusion_pytorch_model.bin": b"a pickle", "README.md": b"# Theirs"})
    (entry,) = collect(["bob/ddpm"])
    assert not entry.problem and not entry.results and not local_hub.calls(".safetensors")
    (tmp_path / "pictures").mkdir()
    images = ddim_images(ddpm, SAMPLING_SEED, steps=2, count=50)
    for number, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(tmp_path / "pictures" / f"{number:03}.png")
    against = ["--reference", str(digits_folder), "--extractor", "mnist-classifier", "--json"]
    results = []
    for words in (
        ["bob/ddpm", "--state", "steps=2", "--num-samples", "50"],
        [str(ddpm), "--state", "steps=2", "--num-samples", "50"],
        ["--folder", str(tmp_path / "pictures")],
    ):
        assert main(["evaluate", *words, *against]) == 0
        results.append(Result.model_validate(json.loads(capsys.readouterr().out)))
    drawn, from_folder, theirs = results
    assert from_folder.figures == drawn.figures
    assert drawn.protocol == theirs.protocol and {"kid", "precision", "density"} <= theirs.figures.keys()
    for name, figure in theirs.figures.items():
        assert drawn.figures[name].value == pytest.approx(figure.value, rel=1e-4, abs=1e-7), name
    assert not local_hub.calls(".bin")


def test_classes_are_asked_for(tmp_path: Path) -> None:
    """By the steps of DDIM, since no pipeline of the library draws from such a network."""
    network, scheduler = unet(num_class_embeds=3), diffusers.DDIMScheduler()
    diffusers.DDIMPipeline(network, scheduler).save_pretrained(tmp_path / "theirs")
    checkpoint = Checkpoint.from_pretrained(tmp_path / "theirs")
    assert checkpoint.config.num_classes == 3
    points = torch.stack([torch.randn(1, 28, 28, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6)])
    scheduler.set_timesteps(3)
    with torch.no_grad():
        for time in scheduler.timesteps:
            predicted = network(points, time, class_labels=torch.tensor([2, 0])).sample
            points = scheduler.step(predicted, time, points).prev_sample
    expected = checkpoint.modality.to_stored(points)
    assert torch.equal(checkpoint.sample(seed=5, count=2, labels="2,0", steps=3).stored, expected)
    with pytest.raises(AIGCError, match="classes cannot be mixed"):
        checkpoint.sample(seed=5, labels="0:0.5+1:0.5")


def test_a_transformer_on_latents_draws_the_images_of_diffusers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = diffusers.DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1, sample_size=4,
        patch_size=2, num_embeds_ada_norm=1000,
    )  # fmt: skip
    decoder = diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=2,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, sample_size=32,
    )  # fmt: skip
    pipeline = diffusers.DiTPipeline(network.eval(), decoder.eval(), diffusers.DDIMScheduler())
    pipeline.save_pretrained(tmp_path / "theirs")
    index = json.loads((tmp_path / "theirs" / "model_index.json").read_text())
    index["id2label"] = {str(number): f"class {number}" for number in range(1000)}
    (tmp_path / "theirs" / "model_index.json").write_text(json.dumps(index))
    expected = drawn_by_diffusers(pipeline, 5, 3, 2, class_labels=[207, 1], guidance_scale=4.0)
    checkpoint = Checkpoint.from_pretrained(tmp_path / "theirs", stated={"steps": "3"})
    found = checkpoint.sample(seed=5, count=2, labels="class 207,class 1").stored
    assert (found.int() - expected.int()).abs().max() <= 1 and expected.float().std() > 10
    again = Checkpoint.from_pretrained(checkpoint.save_pretrained(tmp_path / "ours"))
    assert torch.equal(again.sample(seed=5, count=2, labels="class 207,class 1").stored, found)


class Hostile:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("it ran"),)


def change(folder: Path, file: str, **values: object) -> None:
    known = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(known | values))


def only_pickles(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(Hostile(), folder / "unet" / "diffusion_pytorch_model.bin")


def own_code(folder: Path) -> None:
    change(folder, "model_index.json", unet=["my_unet", "MyUNet"])
    (folder / "my_unet.py").write_text("open('it ran', 'w')")
    (folder / "unet" / "my_unet.py").write_text("open('it ran', 'w')")


def own_pipeline(folder: Path) -> None:
    change(folder, "model_index.json", _class_name=["pipeline", "Mine"])
    (folder / "pipeline.py").write_text("open('it ran', 'w')")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickles": (only_pickles, "pickled ones .* can run code .* never read here"),
    "own code": (own_code, "code of its own .*my_unet.MyUNet.* never run .* torch.onnx.export"),
    "own pipeline": (own_pipeline, "code of its own"),
    "text": (lambda folder: change(folder, "model_index.json", text_encoder=["transformers", "CLIP"]), "from a text"),
    "another scheduler": (
        lambda folder: change(folder, "model_index.json", scheduler=["diffusers", "ScoreSdeVeScheduler"]),
        "which DDIM cannot draw from",
    ),
    "a network without bounds": (
        lambda folder: change(folder, "unet/config.json", layers_per_block=10**9),
        "'layers_per_block' is over 128",
    ),
    "a network that is too large": (
        lambda folder: change(folder, "unet/config.json", block_out_channels=[60000, 60000]),
        "over 1,000,000,000 parameters",
    ),
    "weights of another network": (
        lambda folder: change(folder, "unet/config.json", block_out_channels=[8, 32]),
        "does not fit its config: tensor",
    ),
    "an unknown setting": (lambda folder: change(folder, "unet/config.json", evil=1), "does not fit diffusers"),
    "no JSON": (lambda folder: (folder / "unet" / "config.json").write_text("["), "no config of diffusers"),
    "wide images": (lambda folder: change(folder, "unet/config.json", sample_size=[28, 32]), "no square images"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why_and_runs_nothing(
    ddpm: Path, tmp_path: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spoil, sentence = REFUSED[name]
    folder = tmp_path / "theirs"
    for file, content in files_of(ddpm).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    spoil(folder)
    local_hub.add("bob/theirs", files_of(folder))
    refused = []
    for reference in (str(folder), "bob/theirs"):
        with pytest.raises(AIGCError, match=sentence) as caught:
            Checkpoint.from_pretrained(reference)
        refused.append(str(caught.value))
    assert refused[0].replace(str(folder), "bob/theirs") == refused[1]
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("suffix", ["pkl", "pt", "bin", "ckpt"])
def test_a_pickle_is_not_opened_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_hub: LocalHub, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").mkdir()
    file = tmp_path / "theirs" / f"generator.{suffix}"
    torch.save(Hostile(), file)
    local_hub.add("bob/theirs", {file.name: file.read_bytes()})
    for reference in (file, file.parent, "bob/theirs"):
        with pytest.raises(AIGCError, match=f"generator.{suffix}, a pickle, which can run code .* torch.onnx.export"):
            Checkpoint.from_pretrained(reference)
        (entry,) = collect([str(reference)])
        assert "a pickle" in entry.problem
    assert not (tmp_path / "it ran").exists() and not local_hub.calls("generator")
