"""Found directions, against numpy, scikit-learn and images made by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from torch import Tensor, nn

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.families.gan.generator import Generator
from aigc_core.sampling import directions
from aigc_core.sampling.directions import (
    Directions,
    changed_attributes,
    closed_form_factorisation,
    find_directions,
    latent_components,
    load_directions,
    principal_components,
)
from aigc_core.sampling.sample import sample
from tests.toy_models import ARCHITECTURES, toy_checkpoint


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(directions, "_known", {})
    monkeypatch.setattr(directions, "ACTIVATION_SAMPLES", 1024)
    return tmp_path / "cache"


def same_line(first: Tensor, second: Tensor) -> bool:
    """Whether unit rows are equal up to their sign."""
    return bool(((first * second).sum(1).abs() > 0.999).all())


def test_closed_form_factorisation_is_the_singular_vectors() -> None:
    weights = [torch.randn(7, 5), torch.randn(3, 5)]
    vectors, shares = closed_form_factorisation(weights)
    _, scales, expected = numpy.linalg.svd(torch.cat(weights).numpy())
    assert same_line(vectors, torch.from_numpy(expected))
    assert numpy.allclose(shares, scales**2 / (scales**2).sum(), atol=1e-5)
    assert (vectors.gather(1, vectors.abs().argmax(1, keepdim=True)) > 0).all()


def test_of_many_dimensions_only_the_strongest_singular_vectors_are_found() -> None:
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(size, 40, generator=draw)).Q for size in (300, 2000))
    scales = 0.8 ** torch.arange(40)
    vectors, shares = closed_form_factorisation([(left * scales) @ right.T])
    assert vectors.shape == (16, 2000)
    assert torch.allclose((vectors * right.T[:16]).sum(1).abs(), torch.ones(16), atol=1e-4)
    assert torch.allclose(shares, (scales**2 / (scales**2).sum())[:16], atol=1e-5)


def test_principal_components_are_those_of_scikit_learn() -> None:
    samples = torch.randn(300, 40, generator=torch.Generator().manual_seed(1)) * torch.logspace(1, -1, 40) + 3
    vectors, shares = principal_components(samples)
    expected = PCA(16).fit(samples.numpy())
    assert same_line(vectors[:8], torch.from_numpy(expected.components_[:8]))
    assert numpy.allclose(shares[:8], expected.explained_variance_ratio_[:8], rtol=1e-3)


def test_latent_components_are_a_regression_on_components() -> None:
    draw = torch.Generator().manual_seed(1)
    latents = torch.randn(500, 6, generator=draw)
    activations = torch.relu(latents @ (torch.randn(6, 30, generator=draw) * torch.logspace(1, -1, 6)[:, None]))
    vectors, _ = latent_components(activations, latents)
    coordinates = PCA(3).fit_transform(activations.numpy())
    expected = torch.from_numpy(LinearRegression(fit_intercept=False).fit(coordinates, latents.numpy()).coef_.T)
    assert same_line(vectors[:3], nn.functional.normalize(expected, dim=1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_directions(architecture: str) -> None:
    checkpoint = toy_checkpoint(architecture)
    found = load_directions(checkpoint)
    kinds = {name.rstrip("0123456789") for name in found.names}
    assert kinds == {"sefa", "pca"}
    assert torch.allclose(found.vectors.norm(dim=1), torch.ones(len(found.names)), atol=1e-4)
    assert all(torch.isfinite(value).all() for value in (found.vectors, found.deviations, found.shares, found.effects))
    strongest = found.strongest(5)
    assert strongest and found.effects[found.names.index(strongest[0])] == found.effects.max()
    plain = sample(checkpoint, SampleRequest(seed=1, count=4)).images.int()
    moved = sample(checkpoint, SampleRequest(seed=1, count=4, offsets={strongest[0]: 2})).images.int()
    assert (plain - moved).abs().float().mean() > 2


class Line(Generator):
    """Draws pixels a·z0 + b·z1 in each half of the image."""

    latent_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(3, 2, bias=False)
        self.read.weight.data = torch.tensor([[0.2, 0, 0], [0, 0.05, 0]])
        self.shape = nn.Hardtanh(-10, 10)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.shape(self.read(latents)).repeat_interleave(8, dim=1).view(-1, 1, 4, 4)

    def first_layers(self) -> list[Tensor]:
        return [self.read.weight]


def test_effects_are_the_mean_pixel_change_of_a_step() -> None:
    found = find_directions(Line().eval(), 0)
    effects = dict(zip(found.names, found.effects.tolist()))
    assert effects["sefa0"] == pytest.approx(127.5 * 0.2 / 2, rel=1e-3)
    assert effects["sefa1"] == pytest.approx(127.5 * 0.05 / 2, rel=1e-3)
    assert effects["sefa2"] == pytest.approx(0, abs=1e-3)
    assert found.strongest(2)[0] in ("sefa0", "pca0")
    chosen = [found.vectors[found.names.index(name)] for name in found.strongest(4)]
    assert abs(chosen[0] @ chosen[1]) < 0.9  # pca0 repeats sefa0 and is left out


def test_directions_of_a_model_with_styles_lie_in_w() -> None:
    checkpoint = toy_checkpoint("toy-style")
    found = load_directions(checkpoint)
    generator = checkpoint.model
    latents = torch.randn(4096, 6)
    labels = nn.functional.one_hot(torch.randint(3, (4096,)), 3).float()
    styles = generator.mapping(latents, labels)[:, 0]  # type: ignore[operator]
    expected = PCA(2).fit(styles.numpy())
    pca0 = found.names.index("pca0")
    assert abs(float(found.vectors[pca0] @ torch.from_numpy(expected.components_[0]))) > 0.98
    assert found.deviations[pca0] == pytest.approx(float(numpy.sqrt(expected.explained_variance_[0])), rel=0.1)


def test_found_once_and_kept_beside_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    found = load_directions(Checkpoint.from_pretrained(folder))
    file = folder / "directions.safetensors"
    assert load_file(file)["vectors"].shape == found.vectors.shape
    monkeypatch.setattr(directions, "_known", {})
    monkeypatch.setattr(directions, "find_directions", None)  # a second search would fail
    again = load_directions(Checkpoint.from_pretrained(folder))
    assert again.names == found.names and torch.equal(again.vectors, found.vectors)
    assert again.attributes == found.attributes and len(found.attributes) == len(found.names)


def test_files_without_attributes_or_with_unknown_ones_keep_their_directions(tmp_path: Path) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    found = load_directions(Checkpoint.from_pretrained(folder))
    names = {"names": ",".join(found.names), "weights": Checkpoint.from_pretrained(folder).weights_sha256}
    content = load_file(folder / "directions.safetensors")
    unknown = ",".join(["<b>smile</b>"] * len(found.names))
    for attributes in ({}, {"attributes": "brightness"}, {"attributes": unknown}):
        save_file(content, folder / "directions.safetensors", names | attributes)
        directions._known.clear()
        kept = load_directions(Checkpoint.from_pretrained(folder))
        assert kept.names == found.names and torch.equal(kept.vectors, found.vectors)
        assert kept.attributes == () and kept.said(found.names[0]) is None


class Planted(Generator):
    """Draws a light bar on grey: both are darker along z0, the bar leans along z1, and along z2 all is as it is."""

    latent_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(3, 3, bias=False)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        ground, lean = (value[:, None, None, None] for value in (-0.4 - 0.1 * latents[:, 0], 0.1 * latents[:, 1]))
        up, right = 13.5 - torch.arange(28)[:, None], torch.arange(28) - 13.5
        inside = ((right - lean * up).abs() < 4) & (up.abs() < 8)
        return ground + 0.7 * inside


def test_directions_are_named_after_what_they_change() -> None:
    given = Directions(("sefa0", "sefa1", "sefa2"), torch.eye(3), torch.ones(3), torch.ones(3), torch.ones(3))
    checkpoint = StoredCheckpoint(toy_checkpoint("mlp").config, Planted().eval())
    named = replace(given, attributes=changed_attributes(checkpoint, given))
    assert named.attributes == ("-brightness", "slant", "")
    assert [named.said(name) for name in named.names] == ["Darker", "Leaning right", None]
    turned = replace(given, vectors=-torch.eye(3))
    assert changed_attributes(checkpoint, turned) == ("brightness", "-slant", "")


def test_the_directions_of_the_models_that_ship_were_named() -> None:
    files = sorted(Path("checkpoints").glob("*/directions.safetensors"))
    found = [load_directions(Checkpoint.from_pretrained(file.parent)) for file in files]
    assert len(files) == 10 and all(len(known.attributes) == len(known.names) for known in found)
    assert sum(any(known.attributes) for known in found) >= 8


@pytest.mark.parametrize(("x", "y"), [(0, 1), (2, 5), (4, 3)])
def test_a_map_reaches_as_far_as_the_samples_do(x: int, y: int) -> None:
    draw = torch.Generator().manual_seed(3)
    vectors = nn.functional.normalize(torch.randn(6, 5, generator=draw), dim=1)
    names = tuple(f"pca{index}" for index in range(6))
    known = Directions(names, vectors, torch.linspace(0.5, 2, 6), torch.ones(6), torch.ones(6))
    code = torch.randn(1, 5, generator=draw) * 0.5
    reach = known.reach(code, names[x], names[y])
    # The plane's own coordinates, from numpy, in which codes are standard normal.
    plane = torch.from_numpy(numpy.linalg.qr(vectors[[x, y]].double().T.numpy())[0])
    axes = vectors[[x, y]].double() @ plane
    own = torch.linalg.solve(axes.T, (code.double() @ plane)[0]) / known.deviations[[x, y]].double()
    edge = float(torch.randn(100_000, 2, generator=draw).norm(dim=1).quantile(0.99))
    corners = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    farthest = [float(((own + corners * each) @ axes).norm(dim=1).max()) for each in (reach, reach + 0.1)]
    assert reach > 0.5 and farthest[0] < edge + 0.03 and farthest[1] > edge - 0.03
    assert known.reach(torch.full((1, 5), 9.0), names[x], names[y]) == 0.5


def test_the_axis_that_crosses_another_is_nearly_at_right_angles_to_it() -> None:
    vectors = nn.functional.normalize(torch.tensor([[1.0, 0, 0], [1, 0.4, 0], [0.2, 1, 0], [0, 0, 1]]), dim=1)
    names = ("pca0", "pca1", "pca2", "pca3")
    known = Directions(names, vectors, torch.ones(4), torch.ones(4), torch.ones(4))
    assert known.crossing("pca0", names[1:]) == "pca2"
    assert known.crossing("pca0", ["pca1"]) == "pca1"
    named = replace(known, attributes=("width", "", "-width", "slant"))
    assert named.crossing("pca0", names[1:]) == "pca3" and named.crossing("pca0", names[1:3]) == "pca2"


def test_directions_of_other_weights_or_damaged_ones_are_found_anew(tmp_path: Path) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    file = folder / "directions.safetensors"
    for content in (b"", b"no safetensors", None):
        if content is None:
            save_file({"vectors": torch.zeros(3)}, file)
        else:
            file.write_bytes(content)
        directions._known.clear()
        assert len(load_directions(Checkpoint.from_pretrained(folder)).names) > 2
    found, metadata = (
        load_directions(Checkpoint.from_pretrained(folder)),
        {"weights": Checkpoint.from_pretrained(folder).weights_sha256},
    )
    for unfit in ("pca0=1", "z0", "a b"):  # what a request could not name, or names otherwise
        save_file(load_file(file), file, metadata | {"names": ",".join([unfit, *found.names[1:]])})
        directions._known.clear()
        assert load_directions(Checkpoint.from_pretrained(folder)).names == found.names
    other = toy_checkpoint()
    other.model.get_parameter("stem.weight").copy_(torch.randn_like(other.model.get_parameter("stem.weight")))
    kept = file.read_bytes()
    other.save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "directions.safetensors").write_bytes(kept)
    first, second = (load_directions(Checkpoint.from_pretrained(tmp_path / name)) for name in ("toy", "other"))
    assert not torch.allclose(first.vectors, second.vectors)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy_checkpoint().save_pretrained(tmp_path / "toy")
    # A folder of that name stands in the way, which even root cannot write a file over.
    (folder / "directions.safetensors").mkdir()
    found = load_directions(Checkpoint.from_pretrained(folder))
    (kept,) = (own_cache / "directions").iterdir()
    assert torch.equal(load_file(kept)["vectors"], found.vectors)
    own_cache.rename(tmp_path / "away")
    own_cache.write_text("a file where the cache should be")
    directions._known.clear()
    assert load_directions(Checkpoint.from_pretrained(folder)).names == found.names
    assert os.listdir(folder / "directions.safetensors") == []


def test_unknown_directions_are_one_sentence() -> None:
    with pytest.raises(AIGCError, match="no latent direction 'smile'"):
        load_directions(toy_checkpoint()).step("smile")
