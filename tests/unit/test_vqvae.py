"""VQ-VAEs: quantisers by brute force, by hand and by the paper's formula; both phases; and what is refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate

from aigc_core import AIGCError, SampleRequest
from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.folder import step_folders
from aigc_core.evaluation.features import image_batches
from aigc_core.families.autoregressive.model import AutoregressiveModel, AutoregressiveOptions
from aigc_core.families.base import Batch, Condition, ModelSpec, StepState, TokenStep, families
from aigc_core.families.vqvae.codebook import Codebook, CodebookConfig
from aigc_core.families.vqvae.finite_scalar import FiniteScalar, FiniteScalarConfig
from aigc_core.families.vqvae.method import TwoPhaseTraining
from aigc_core.families.vqvae.model import VQVAE, build_vqvae
from aigc_core.families.vqvae.quantiser import perplexity
from aigc_core.modalities.image import ImageModality
from aigc_core.rng import StepDraws
from aigc_core.sampling.sample import sample
from aigc_core.training.interrupt import Interrupted
from aigc_core.training.loop import train
from aigc_core.training.recipe import TrainingConfig

TINY = {
    "width": 4,
    "refinements": 0,
    "quantiser": {"name": "codebook", "size": 16, "dim": 3},
    "prior": {"depth": 1, "width": 16, "heads": 2},
}
FINITE = {"quantiser": {"name": "finite-scalar", "levels": [4, 3]}}


def spec(num_classes: int = 2, resolution: int = 28, **config: Any) -> ModelSpec:
    return ModelSpec("convolutional", TINY | config, ImageModality(channels=1, resolution=resolution), num_classes)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def filled(size: int = 16, dim: int = 3, **config: float) -> Codebook:
    book = Codebook(CodebookConfig(size=size, dim=dim, **config))  # type: ignore[arg-type]
    book.counts.fill_(2.0)
    book.sums.copy_(2 * drawn(size, dim, seed=5))
    return book


def state(step: int, progress: float, count: int) -> StepState:
    return StepState(step, progress, step * count, StepDraws(0, step, count, 0, 1, torch.device("cpu")))


# Quantisers


def test_the_nearest_vector_is_chosen() -> None:
    book, vectors = filled(), drawn(200, 3)
    quantised = book(vectors)
    by_hand = [min(range(16), key=lambda code: float((vector - book.book[code]).norm())) for vector in vectors]
    assert quantised.codes.tolist() == by_hand
    torch.testing.assert_close(quantised.vectors, book.vectors_of(quantised.codes))
    expected = 0.25 * (vectors - book.vectors_of(quantised.codes)).square().mean()
    torch.testing.assert_close(quantised.loss, expected)


def test_averages_by_hand() -> None:
    book = filled(size=2, dim=1, decay=0.9, restart_below=0.0)
    book.sums.copy_(torch.tensor([[2.0], [-2.0]]))  # vectors 1 and −1 of two choices each
    vectors = torch.tensor([[1.5], [0.5], [4.0], [-3.0]])
    book.learn(vectors, torch.tensor([0, 0, 0, 1]), torch.zeros(4))
    torch.testing.assert_close(book.counts, torch.tensor([0.9 * 2 + 0.1 * 3, 0.9 * 2 + 0.1 * 1]))
    expected = torch.tensor([[(0.9 * 2 + 0.1 * 6) / 2.1], [(0.9 * -2 + 0.1 * -3) / 1.9]])
    torch.testing.assert_close(book.book, expected)


def test_dead_codes_begin_anew_with_vectors_of_the_batch() -> None:
    book = filled(size=4, restart_below=0.1)
    book.counts.copy_(torch.tensor([5.0, 0.0, 5.0, 0.2]))
    kept, vectors, priority = book.book.clone(), drawn(20, 3), torch.arange(20).flip(0) / 20
    book.learn(vectors, torch.tensor([0, 2]).repeat(10), priority)
    torch.testing.assert_close(book.book[[1, 3]], vectors[:2])
    assert book.counts[1] == book.counts[3] == 20 / 4
    assert (book.book[[0, 2]] - kept[[0, 2]]).norm() < (vectors.mean(0) - kept[[0, 2]]).norm()


def test_a_small_batch_fills_as_many_codes_as_it_has_vectors() -> None:
    book, vectors = Codebook(CodebookConfig(size=16, dim=3)), drawn(5, 3)
    book.learn(vectors, book(vectors).codes, torch.arange(5.0).flip(0))
    assert set(book(vectors).codes.tolist()) == {1, 2, 3, 4, 5}, "all had chosen code 0, which lives on"
    torch.testing.assert_close(book.vectors_of(book(vectors).codes), vectors)


@pytest.mark.parametrize("quantiser", [filled(), FiniteScalar(FiniteScalarConfig(levels=(5, 4, 3)))])
def test_the_gradient_passes_straight_through(quantiser: Codebook | FiniteScalar) -> None:
    """As if nothing had been rounded: the decoder's gradient arrives at the encoder's (bounded) vectors."""
    vectors, weights = drawn(30, 3).requires_grad_(), drawn(30, 3, seed=1)
    (quantiser(vectors).vectors * weights).sum().backward()
    smooth = vectors.detach().clone().requires_grad_()
    if isinstance(quantiser, FiniteScalar):
        (quantiser.bounded(smooth) / torch.tensor([2, 2, 1]) * weights).sum().backward()
    else:
        (smooth * weights).sum().backward()
    torch.testing.assert_close(vectors.grad, smooth.grad)


def test_the_commitment_reaches_the_encoder_alone() -> None:
    book, vectors = filled(), drawn(30, 3).requires_grad_()
    quantised = book(vectors)
    quantised.loss.backward()
    by_hand = 0.25 * 2 * (vectors.detach() - book.vectors_of(quantised.codes)) / vectors.numel()
    torch.testing.assert_close(vectors.grad, by_hand)
    assert not book.sums.requires_grad


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (8, 6, 5), (4, 3), (2, 7)])
def test_finite_scalars_are_those_of_the_paper(levels: tuple[int, ...]) -> None:
    """Mentzer et al. 2023, appendix A.1, value by value."""
    quantiser, vectors = FiniteScalar(FiniteScalarConfig(levels=levels)), 3 * drawn(500, len(levels))
    quantised = quantiser(vectors)
    for row, code, values in zip(vectors.double().numpy(), quantised.codes.tolist(), quantised.vectors.tolist()):
        expected, basis = 0, 1
        for value, count, got in zip(row, levels, values):
            half = (count - 1) * (1 - 1e-3) / 2
            offset = 0.0 if count % 2 else 0.5
            shift = float(torch.tensor(offset / half).tan())
            digit = round(float(torch.tensor(value + shift).tanh()) * half - offset)
            assert got == pytest.approx(digit / (count // 2))
            expected, basis = expected + (digit + count // 2) * basis, basis * count
        assert code == expected
    # Every code is one point, the same on the way back.
    points = quantiser.vectors_of(torch.arange(quantiser.size))
    assert len(points.unique(dim=0)) == quantiser.size
    torch.testing.assert_close(quantiser.vectors_of(quantised.codes), quantised.vectors)
    assert points.min() == -1 and all(len(column.unique()) == count for column, count in zip(points.T, levels))


def test_perplexity_by_hand() -> None:
    used, evenness = perplexity(torch.tensor([0, 0, 3, 3]), 8)
    assert used == 2 and evenness.item() == pytest.approx(2)
    assert perplexity(torch.arange(8), 8)[1].item() == pytest.approx(8)
    assert perplexity(torch.zeros(5, dtype=torch.int64), 8)[1].item() == pytest.approx(1)


# Models


def model(**config: Any) -> VQVAE:
    """With random weights, also where a block begins as the identity, and a book that is full."""
    torch.manual_seed(0)
    made = build_vqvae(spec(**config)).eval().requires_grad_(False)
    for parameter in made.prior.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5)
    quantiser = made.autoencoder.quantiser
    if isinstance(quantiser, Codebook):
        quantiser.counts.fill_(1.0)
        quantiser.sums.normal_()
    return made


@pytest.mark.parametrize("config", [{}, FINITE])
def test_alone_and_together(config: dict[str, Any]) -> None:
    made, options = model(**config), AutoregressiveOptions(temperature=0.9, top_p=0.95)
    noise, condition = drawn(300, 49), Condition(torch.eye(2)[torch.arange(300) % 2])
    codes = made.prior.generate(noise, condition, options)
    assert codes.shape == (300, 49) and len(set(map(tuple, codes.tolist()))) > 250
    together = made.generate(noise, condition, options)
    for k in (0, 7, 127, 128, 299):
        one = condition[slice(k, k + 1)]
        assert torch.equal(made.prior.generate(noise[[k]], one, options), codes[[k]])
        torch.testing.assert_close(made.generate(noise[[k]], one, options), together[[k]], atol=1e-5, rtol=0)
    likeliest = made.prior.generate(noise[:4], condition[slice(0, 4)], AutoregressiveOptions(temperature=0))
    assert torch.equal(likeliest[0], likeliest[2]) and not torch.equal(codes[0], codes[2])


def test_codes_lie_row_by_row() -> None:
    """A change of the last code shows in the last corner of the image alone."""
    made = model()
    codes = torch.zeros(2, 49, dtype=torch.int64)
    codes[1, 48] = 9
    first, second = made.autoencoder.images_of(codes)
    changed = (first - second).abs()[0] > 1e-6
    assert changed[24:, 24:].any() and not changed[:20].any() and not changed[:, :20].any()
    image = drawn(3, 1, 28, 28)
    again = made.autoencoder.codes_of(torch.cat([image, image[:1]]))
    assert again.shape == (4, 49) and torch.equal(again[0], again[3])


# Training


def build_method(config: dict[str, Any] | None = None, **architecture: Any) -> TwoPhaseTraining:
    torch.manual_seed(0)
    made = families["vqvae"].build_method("two-phase", config or {}, spec(**architecture), Accelerator(cpu=True))
    assert isinstance(made, TwoPhaseTraining)
    return made


@pytest.mark.parametrize(
    "quantiser", [{"name": "codebook", "size": 16, "dim": 3, "decay": 0.9}, {"name": "finite-scalar", "levels": [4, 4]}]
)
def test_eight_images_are_learnt_by_heart(quantiser: dict[str, Any]) -> None:
    squares = interpolate(drawn(8, 1, 2, 2).sign() * 0.8, size=7)
    images = interpolate(squares, size=28)  # a code's part of the image is of one colour
    wanted = {
        "autoencoder_share": 0.25,
        "autoencoder_learning_rate": 1e-2,
        "prior_learning_rate": {"value": 5e-3, "decay_from": 0},
    }
    prior = {"depth": 2, "width": 64, "heads": 2}
    method = build_method(wanted, num_classes=8, width=8, prior=prior, quantiser=quantiser)
    batch, condition = Batch(images, torch.eye(8)), Condition(torch.eye(8))
    for step in range(300):
        method.step(batch, state(step, step / 300, 8))
    vqvae = method.model.eval()
    with torch.no_grad():
        likeliest = vqvae.generate(drawn(8, 49), condition, AutoregressiveOptions(temperature=0))
        assert (vqvae.reconstruct(images) - images).square().mean() < 0.1 * images.square().mean()
    assert (likeliest - images).square().mean() < 0.1 * images.square().mean()


def test_each_phase_trains_its_part() -> None:
    method = build_method({"autoencoder_share": 0.25})
    batch = Batch(drawn(8, 1, 28, 28).clamp(-1, 1), torch.eye(2)[torch.arange(8) % 2])
    for step, (progress, trained) in enumerate([(0.0, "autoencoder"), (0.24, "autoencoder"), (0.26, "prior")]):
        before = {name: tensor.clone() for name, tensor in method.model.state_dict().items()}
        measured = method.step(batch, state(step, progress, 8))
        after = method.model.state_dict()
        assert {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])} == {trained}
        assert 1 <= measured["code_perplexity"] <= measured["codes_used"] <= 16


def test_shares_of_the_run_are_shares_of_the_phase() -> None:
    decaying = {"value": 1.0, "decay_from": 0.5}
    method = build_method(
        {
            "autoencoder_share": 0.4,
            "autoencoder_learning_rate": decaying,
            "prior_learning_rate": decaying,
            "prior_warmup": 0.1,
        }
    )
    batch = Batch(drawn(2, 1, 28, 28), torch.eye(2))
    rates = []
    for step, progress in enumerate([0.1, 0.3, 0.4 + 0.6 * 0.05, 0.4 + 0.6 * 0.75]):
        method.step(batch, state(step, progress, 2))
        adam = method.autoencoder_adam if progress < 0.4 else method.prior_adam
        rates.append(adam.param_groups[0]["lr"])
    assert rates == pytest.approx([1.0, 0.5, 0.5, 0.5])


def test_a_collapse_is_told_in_words() -> None:
    method = build_method()
    assert "collapsed" in (method.warning({"code_perplexity": 1.2}) or "")
    assert method.warning({"code_perplexity": 9.0}) is None
    # Before the first batch all vectors are the same, and so are all codes.
    method.vqvae.autoencoder.quantiser.learn = lambda *_: None  # type: ignore[method-assign]
    measured = method.step(Batch(drawn(2, 1, 28, 28), torch.eye(2)), state(0, 0.0, 2))
    assert method.warning({name: value.item() for name, value in measured.items()})


def recipe(folder: Path) -> TrainingConfig:
    return TrainingConfig(
        data=str(folder),
        family="vqvae",
        architecture="convolutional",
        architecture_config=TINY,
        method="two-phase",
        method_config={"autoencoder_share": 0.5},
        samples=160,
        batch_size=8,
        checkpoint_samples=32,
        ema_half_life=50,
    )


@pytest.fixture(scope="module")
def run(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe(digits_folder), tmp_path_factory.mktemp("vqvae") / "run", trackers=())


@pytest.mark.parametrize("stop_after", [1, 4])
def test_resumed_to_the_bit_in_both_phases(stop_after: int, run: Path, digits_folder: Path, tmp_path: Path) -> None:
    config, checkpoints = recipe(digits_folder), 0

    def interrupt(checkpoint: StoredCheckpoint, folder: Path) -> None:
        nonlocal checkpoints
        checkpoints += 1
        if checkpoints == stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", trackers=(), hooks=(interrupt,))
    stopped = int(step_folders(tmp_path / "run")[-1].name.removeprefix("step-"))
    assert stopped * 8 < 160 and (stopped * 8 < 80) == (stop_after == 1)
    resumed = train(config, tmp_path / "run", resume=True, trackers=())
    ours, theirs = (StoredCheckpoint.read(folder).model.state_dict() for folder in (resumed, run))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_prior_has_learnt_the_codes_of_the_autoencoder_that_is_kept(run: Path) -> None:
    """The loop's average of the autoencoder would have others."""
    kept = StoredCheckpoint.read(run).model
    assert isinstance(kept, VQVAE)
    trained = build_vqvae(StoredCheckpoint.read(run).config.spec)
    trained.load_state_dict(load_file(run / "training_state" / "vqvae.safetensors"))
    assert all(
        torch.equal(tensor, kept.autoencoder.state_dict()[name])
        for name, tensor in trained.autoencoder.state_dict().items()
    )
    assert not torch.equal(trained.prior.to_logits.weight, kept.prior.to_logits.weight)


# What is refused


@pytest.mark.parametrize(
    ("architecture", "method_config", "sentence"),
    [
        ({"quantiser": {"name": "codebook", "size": 1}}, {}, "size"),
        ({"quantiser": {"name": "codebook", "decay": 1}}, {}, "decay"),
        ({"quantiser": {"name": "codebook", "commitment": float("nan")}}, {}, "commitment"),
        ({"quantiser": {"name": "product"}}, {}, "quantiser"),
        ({"quantiser": {"name": "finite-scalar", "levels": [1, 8]}}, {}, "levels"),
        ({"quantiser": {"name": "finite-scalar", "levels": [256, 256, 2]}}, {}, "product of the levels"),
        ({"prior": {"width": 10, "heads": 4}}, {}, "prior"),
        ({"halvings": 3}, {}, "cannot be halved 3 times"),
        ({}, {"autoencoder_share": 0}, "autoencoder_share"),
        ({}, {"autoencoder_share": 1.5}, "autoencoder_share"),
        ({}, {"autoencoder_share": float("nan")}, "autoencoder_share"),
        ({}, {"prior_learning_rate": -1}, "prior_learning_rate"),
        ({}, {"prior_betas": [0.9, 1.0]}, "prior_betas"),
        ({}, {"gamma": 1}, "unknown key 'method_config.gamma'"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    architecture: dict[str, object], method_config: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AIGCError, match=sentence) as error:
        build_method(method_config, **architecture)
    assert str(error.value).count("\n") == 0


def test_other_networks_and_too_many_codes_are_refused() -> None:
    with pytest.raises(AIGCError, match="no architecture 'resnet'; there are convolutional"):
        build_vqvae(ModelSpec("resnet", {}, ImageModality(channels=1, resolution=28)))
    with pytest.raises(AIGCError, match="16,384 codes is too long"):
        build_vqvae(spec(resolution=256, halvings=1))


def test_what_is_computed_together_is_drawn_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prior that always computes its rows, padded or not, costs the same for one sample as for all of them."""
    checkpoint = StoredCheckpoint.read(Path("checkpoints/fashion-mnist-vqvae"))
    passes: list[int] = []
    stream = AutoregressiveModel.stream

    def counted(self: AutoregressiveModel, noise: Tensor, *others: Any) -> Iterator[TokenStep]:
        passes.append(len(noise))
        return stream(self, noise, *others)

    monkeypatch.setattr(AutoregressiveModel, "stream", counted)
    sample(checkpoint, SampleRequest(seed=0, count=3))
    assert passes == [3]
    sample(checkpoint, SampleRequest(seed=0, count=200))
    assert passes == [3, 128, 72]
    assert [len(batch) for batch in image_batches(checkpoint, range(5))] == [5]
    assert passes == [3, 128, 72, 5]
