"""Models of all families that are one graph, as ONNX and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aigc_core import AIGCError, Checkpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.cli import main
from aigc_core.families.base import ModelSpec, families
from aigc_core.modalities.image import ImageModality
from tests.toy_models import toy_checkpoint

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

KIND = ImageModality(channels=1, resolution=28)
OTHERS = {
    "vae": ("vae", "convolutional", {"latent_dim": 8, "width": 8}),
    "flow-unet": ("flow", "unet", {"widths": [16, 32], "heads": 2}),
    "flow-dit": ("flow", "dit", {"width": 16, "depth": 1, "heads": 2, "patch": 7}),
    "vqvae": ("vqvae", "convolutional", {"width": 8}),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


def checkpoint_of(name: str) -> Checkpoint:
    """A small model with random weights."""
    if name not in OTHERS:
        return toy_checkpoint(name)
    family, architecture, config = OTHERS[name]
    torch.manual_seed(0)
    model = families[family].build_model(ModelSpec(architecture, config, KIND, 3)).eval().requires_grad_(False)
    for parameter in model.parameters():
        if not parameter.any():  # layers that start at zero would hide what comes before them
            torch.nn.init.normal_(parameter, std=0.1)
    shape = KIND.model_dump()
    described = CheckpointConfig(
        family=family,
        architecture=architecture,
        architecture_config=config,
        shape=shape,
        num_classes=3,
        class_names=("a", "b", "c"),
        dataset="mnist",
    )
    return Checkpoint(described, model)


@pytest.mark.parametrize("name", ["mlp", "resnet", "style", "style-dcgan", "vae", "flow-unet", "flow-dit"])
def test_a_model_comes_back_from_onnx(tmp_path: Path, name: str) -> None:
    ours = checkpoint_of(name)
    ours.save_pretrained(tmp_path / "ours")
    settings = ["--set", "steps=2"] if name.startswith("flow") else []
    out = tmp_path / "ours.onnx"
    assert main(["export", str(tmp_path / "ours"), "--format", "onnx", "--out", str(out), *settings]) == 0
    theirs = Checkpoint.from_pretrained(out)
    assert theirs.config.class_names == ours.config.class_names and theirs.config.shape == ours.config.shape
    options = {"steps": 2} if settings else {}
    expected, found = ours.sample(seed=5, count=3, **options).stored, theirs.sample(seed=5, count=3).stored
    assert (expected.int() - found.int()).abs().max() <= 1 and expected.float().std() > 5


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_smaller_variants_draw_nearly_the_same(
    tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_checkpoint("dcgan").save_pretrained(tmp_path / "ours")
    sizes = {}
    for kind in ("float32", precision):
        out = tmp_path / f"{kind}.onnx"
        words = ["--format", "onnx", "--out", str(out), "--precision", kind]
        assert main(["export", str(tmp_path / "ours"), *words]) == 0
        sizes[kind] = out.stat().st_size
    assert "differ from PyTorch's by up to" in capsys.readouterr().err
    assert sizes[precision] < 0.65 * sizes["float32"]
    expected = Checkpoint.from_pretrained(tmp_path / "ours").sample(seed=5, count=4).stored.int()
    found = Checkpoint.from_pretrained(tmp_path / f"{precision}.onnx").sample(seed=5, count=4).stored.int()
    assert (expected - found).abs().float().mean() < {"float16": 0.2, "int8": 12}[precision]


def test_what_cannot_be_exported_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint_of("vqvae").save_pretrained(tmp_path / "codes")
    out = str(tmp_path / "ours.onnx")
    for words, sentence in (
        ([str(tmp_path / "codes"), "--format", "onnx", "--out", out], "draws one value after another"),
        ([str(tmp_path / "codes"), "--format", "onnx", "--out", "x.pt"], "needs --out FILE.onnx"),
        ([str(tmp_path / "codes")], "export needs a run and a new folder"),
    ):
        assert main(["export", *words]) == 2
        assert sentence in capsys.readouterr().err
    assert not Path(out).exists()


def test_a_graph_that_draws_other_images_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc_core.conversion import onnx_export

    checkpoint = toy_checkpoint("mlp")
    forward = onnx_export.Drawing.forward
    monkeypatch.setattr(onnx_export.Drawing, "forward", lambda self, z, labels=None: forward(self, z, labels) * 0.98)
    with pytest.raises(AIGCError, match="draws other images than PyTorch, by up to"):
        onnx_export.export_onnx(checkpoint, tmp_path / "x.onnx", checkpoint.model.options_type())
    assert not (tmp_path / "x.onnx").exists()
