"""Flows: paths and targets by hand, solvers against a known solution, the likelihood of a Gaussian, training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.families.base import Batch, Condition, ModelSpec, StepState, families
from aigc_core.families.flow.likelihood import exact_divergence, hutchinson, log_density
from aigc_core.families.flow.mean_flow import mean_flow_target
from aigc_core.families.flow.model import FlowModel, FlowOptions, MeanFlowModel, MeanFlowOptions, build_model
from aigc_core.families.flow.networks import FieldShape, VectorField
from aigc_core.families.flow.networks.dit import DiT, DiTConfig
from aigc_core.families.flow.networks.unet import UNet, UNetConfig
from aigc_core.families.flow.sample_prediction import SamplePrediction
from aigc_core.families.flow.solvers import Solver, euler, even_times, heun
from aigc_core.families.flow.training import FlowTraining, points_on_paths
from aigc_core.modalities.image import ImageModality
from aigc_core.pipeline import train
from aigc_core.rng import StepDraws
from aigc_core.sampling import directions
from aigc_core.sampling.sample import sample
from tests.small_runs import config

SMALL = {"dit": {"depth": 2, "width": 32, "heads": 2, "patch": 4}, "unet": {"widths": [16, 32], "patch": 2, "heads": 2}}
KIND = ImageModality(channels=1, resolution=28)
CLASS_NAMES = ("Shirt", "Bag", "Coat")


def spec(architecture: str, num_classes: int = 3, **changes: Any) -> ModelSpec:
    return ModelSpec(architecture, SMALL[architecture] | changes, KIND, num_classes)


def lively(model: nn.Module) -> nn.Module:
    """Weights that begin at zero take part as well."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return model.eval().requires_grad_(False)


def checkpoint_of(architecture: str, **changes: Any) -> Checkpoint:
    made = spec(architecture, **changes)
    values: dict[str, Any] = {
        "family": "flow",
        "architecture": architecture,
        "architecture_config": made.architecture_config,
    }
    shape = {"channels": 1, "resolution": 28}
    kept = CheckpointConfig(**values, shape=shape, num_classes=3, class_names=CLASS_NAMES, dataset="toy")
    return Checkpoint(kept, lively(build_model(made)))  # type: ignore[arg-type]  # it is that model again


class Linear(VectorField):
    """v(x, t) = factor · x, for each class its own; 1 for a class that is not told."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.tensor([0.5, -1.0]))

    def forward(self, maps: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        factors = classes @ self.factors + (1 - classes.sum(1))
        return factors.view(-1, 1, 1, 1) * maps

    def input_weight(self) -> Tensor:
        return torch.ones(1, 1, 1, 1)

    @property
    def input_stride(self) -> int:
        return 1


def test_paths_are_straight() -> None:
    noise, data = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [3.0, -1.0]])
    points, velocity = points_on_paths(noise, data, torch.tensor([0.25, 1.0]))
    assert points.tolist() == [[1.5, 1.0], [3.0, -1.0]] and velocity.tolist() == [[-2.0, 4.0], [2.0, -2.0]]


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
def test_solvers_converge_as_fast_as_their_order(solver: Solver, order: int) -> None:
    """dx/dt = x · cos t has the solution x₀ · exp(sin t); halving the steps divides the error by 2^order."""
    start = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    exact = start * math.exp(math.sin(1.0))
    errors = [
        (solver(lambda x, t: x * math.cos(t), start, even_times(steps)) - exact).abs().max().item()
        for steps in (32, 64)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)
    back = solver(lambda x, t: x * math.cos(t), exact, even_times(64, 1.0, 0.0))
    torch.testing.assert_close(back, start, atol=2 * errors[1] * 3, rtol=0)


def test_the_target_of_mean_flow_by_hand() -> None:
    """In the linear field v = a · x, x(t + d) = x · exp(a · d), so u = x · (exp(a · d) − 1) / d is its own target."""
    rate = 0.7

    def exact(points: Tensor, times: Tensor, durations: Tensor) -> Tensor:
        return points * (torch.expm1(rate * durations) / durations)[:, None]

    points = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    times, durations = torch.tensor([[0.1, 0.3], [0.2, 0.7]], dtype=torch.float64)
    average, target = mean_flow_target(exact, points, times, durations, rate * points)
    torch.testing.assert_close(average, target)
    # A wrong guess, u = x, has d/dt u = v, so its target is v + d · v.
    average, target = mean_flow_target(lambda x, t, d: x, points, times, durations, rate * points)
    torch.testing.assert_close(target, rate * points * (1 + durations)[:, None])
    # And one that is the duration itself: it shrinks as time goes on, by 1 a unit of time.
    _, target = mean_flow_target(lambda x, t, d: x * 0 + d[:, None], points, times, durations, rate * points)
    torch.testing.assert_close(target, rate * points - durations[:, None])


@pytest.mark.parametrize("predicts", ["velocity", "average_velocity"])
def test_a_sample_that_is_predicted_is_reached_in_the_time_left(predicts: str) -> None:
    model = lively(build_model(spec("unet", predicts=predicts, output="sample")))
    assert isinstance(model, FlowModel | MeanFlowModel) and isinstance(model.network, SamplePrediction)
    points, classes = torch.randn(2, 1, 28, 28), torch.eye(3)[:2]
    times = torch.tensor([[0.0], [0.75]]).expand(2, 2 if predicts == "average_velocity" else 1)
    samples, vectors = model.network.network(points, times, classes), model.network(points, times, classes)
    torch.testing.assert_close(points + torch.tensor([1.0, 0.25]).view(2, 1, 1, 1) * vectors, samples)
    at_the_end = model.network(points, torch.ones_like(times), classes)
    assert at_the_end.isfinite().all()


def test_guidance_leads_away_from_the_class_that_is_not_told() -> None:
    flow = FlowModel(Linear(), (1, 1, 1)).requires_grad_(False)
    points, classes = torch.full((3, 1, 1, 1), 2.0), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    velocities = {w: flow.guided(classes, w)(points, 0.3).flatten().tolist() for w in (0.0, 1.0, 3.0)}
    assert velocities[0.0] == [2.0, 2.0, 2.0] and velocities[1.0] == [1.0, -2.0, -0.5]
    # 2 + 3 · (v − 2)
    assert velocities[3.0] == [-1.0, -10.0, -5.5]


def test_options_are_those_of_the_equation() -> None:
    flow, noise = FlowModel(Linear(), (1, 1, 1)).requires_grad_(False), torch.tensor([[3.0]])
    condition = Condition(torch.tensor([[1.0, 0.0]]))
    for steps in (1, 4):
        generated = flow.generate(noise, condition, FlowOptions(steps=steps, solver="euler"))
        assert generated.item() == pytest.approx(3 * (1 + 0.5 / steps) ** steps)
        generated = flow.generate(noise, condition, FlowOptions(steps=steps))
        heun_steps = (1 + 0.5 / steps + 0.125 / steps**2) ** (steps - 1)
        assert generated.item() == pytest.approx(3 * heun_steps * (1 + 0.5 / steps))


def test_mean_flow_jumps_by_the_average_velocity() -> None:
    """Of the field v = x: u = x · (exp d − 1) / d, so any number of jumps ends at x · e."""

    class Exact(Linear):
        def forward(self, maps: Tensor, times: Tensor, classes: Tensor) -> Tensor:
            duration = times[:, 1].view(-1, 1, 1, 1)
            return maps * torch.expm1(duration) / duration

    flow, condition = MeanFlowModel(Exact(), (1, 1, 1)).requires_grad_(False), Condition(torch.zeros(1, 0))
    for steps in (1, 3):
        generated = flow.generate(torch.tensor([[2.0]]), condition, MeanFlowOptions(steps=steps))
        assert generated.item() == pytest.approx(2 * math.e, rel=1e-5)


@pytest.mark.parametrize("architecture", SMALL)
def test_codes_of_a_sample_are_where_the_equation_leads_back(architecture: str) -> None:
    model = lively(build_model(spec(architecture)))
    assert isinstance(model, FlowModel)
    samples, condition = 0.5 * torch.randn(2, 1, 28, 28), Condition(torch.eye(3)[:2])

    def velocity(time: float, points: numpy.ndarray) -> numpy.ndarray:
        there = torch.from_numpy(points).float().view(2, 1, 28, 28)
        return model.velocity(there, torch.full((2,), time), condition.classes).flatten().double().numpy()

    solved = solve_ivp(velocity, (1, 0), samples.flatten().double().numpy(), rtol=1e-3, atol=1e-3).y[:, -1]
    codes = model.encode_samples(samples, condition)
    expected = torch.from_numpy(solved).float().view(2, -1)
    assert (codes - expected).norm() < 0.05 * (expected - samples.flatten(1)).norm()
    again = model.decode(codes, condition, FlowOptions(steps=16))
    assert (again - samples).norm() < 0.05 * (codes - samples.flatten(1)).norm()


@pytest.mark.parametrize("exact", [True, False])
def test_the_density_of_a_flow_to_a_gaussian(exact: bool) -> None:
    """dx/dt = A x carries N(0, 1) to N(0, B Bᵀ) with B = exp(A)."""
    matrix = torch.tensor([[0.3, 0.5, 0.0], [-0.2, -0.6, 0.1], [0.0, 0.4, 0.2]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    carried = torch.linalg.matrix_exp(matrix)
    expected = torch.distributions.MultivariateNormal(torch.zeros(3, dtype=torch.float64), carried @ carried.T)
    # The probes of all eight signs average to the trace exactly.
    probes = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)

    def estimated(function: Callable[[Tensor], Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
        found = [hutchinson(function, points, probe.expand_as(points)) for probe in probes]
        return found[0][0], torch.stack([divergence for _, divergence in found]).mean(0)

    density = log_density(lambda x, t: x @ matrix.T, samples, exact_divergence if exact else estimated, steps=32)
    torch.testing.assert_close(density, expected.log_prob(samples), atol=2e-3, rtol=0)


@pytest.mark.parametrize("architecture", SMALL)
def test_bits_per_dimension_of_a_network(architecture: str) -> None:
    """Of images that are as likely as noise under a field that is zero everywhere; under inference mode, too."""
    model = build_model(spec(architecture)).eval()
    with torch.inference_mode():
        noise = torch.randn(2, 784, generator=torch.Generator().manual_seed(0))
        bits = model.bits_per_dimension(torch.zeros(2, 1, 28, 28), Condition(torch.eye(3)[:2]), noise)
    by_hand = math.log2(127.5) + 0.5 * math.log2(2 * math.pi)
    assert bits.tolist() == pytest.approx([by_hand] * 2, abs=1e-3)


@pytest.mark.parametrize("architecture", SMALL)
def test_first_layers_read_the_noise(architecture: str) -> None:
    model = lively(build_model(spec(architecture)))
    assert isinstance(model, FlowModel)
    (matrix,) = model.first_layers()
    noise = torch.randn(2, 784, generator=torch.Generator().manual_seed(0))
    read: list[Tensor] = []
    layer = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    with layer.register_forward_hook(lambda *passed: read.append(passed[2])):
        model.velocity(noise.view(2, 1, 28, 28), torch.zeros(2), torch.eye(3)[:2])
    assert layer.bias is not None
    expected = (read[0] - layer.bias.view(1, -1, 1, 1)).flatten(1)
    torch.testing.assert_close(noise @ matrix.T, expected, atol=1e-4, rtol=1e-4)


def test_directions_are_found_in_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the network read once where only its first activations count, however many steps a sample takes."""
    monkeypatch.setattr(directions, "ACTIVATION_SAMPLES", 64)
    monkeypatch.setattr(directions, "EFFECT_SAMPLES", 2)
    model = checkpoint_of("dit").model
    assert isinstance(model, FlowModel)
    passes: list[int] = []
    model.network.register_forward_hook(lambda *passed: passes.append(len(passed[2])))
    found = directions.find_directions(model, num_classes=3)
    assert found.vectors.shape == (len(found.names), 784) and found.effects.min() > 0
    evaluations = 2 * FlowOptions().steps - 1
    assert passes.count(2) == 2 * len(found.names) * evaluations == len(passes)


@pytest.mark.parametrize("predicts", ["velocity", "average_velocity"])
@pytest.mark.parametrize("architecture", SMALL)
def test_a_sample_is_the_same_alone_and_in_any_batch(architecture: str, predicts: str) -> None:
    checkpoint = checkpoint_of(architecture, predicts=predicts)
    options: dict[str, Any] = {"steps": 2} | ({"guidance": 2.0} if predicts == "velocity" else {})
    request = SampleRequest(seed=5, count=64, labels="Shirt,Bag:0.7+Coat:0.3", **options)
    together = sample(checkpoint, request).stored
    alone = torch.cat([sample(checkpoint, single).stored for single in request.singles()])
    assert (together.int() - alone.int()).abs().max() <= 1
    assert together.float().std(0).mean() > 5


def trained_on_eight(architecture: str, method: str, steps: int) -> tuple[FlowTraining, Tensor, list[float]]:
    """A method that has trained on eight images [8, 1, 28, 28], each a class of its own; and the loss of each step."""
    torch.manual_seed(0)
    predicts = "velocity" if method == "flow_matching" else "average_velocity"
    images = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)).mul(1.8).sub(0.9)
    images = nn.functional.interpolate(images, scale_factor=7.0)
    rate = {"value": 1e-2 if architecture == "unet" else 5e-3, "decay_from": 0.5}
    settings = {"learning_rate": rate, "label_dropout": 0.0, "warmup_steps": 10}
    training = families["flow"].build_method(
        method, settings, spec(architecture, num_classes=8, predicts=predicts), Accelerator(cpu=True)
    )
    assert isinstance(training, FlowTraining)
    batch, losses = Batch(images.repeat(2, 1, 1, 1), torch.eye(8).repeat(2, 1)), []
    for step in range(steps):
        draws = StepDraws(0, step, 16, 0, 1, torch.device("cpu"))
        losses.append(training.step(batch, StepState(step, step / steps, 16 * step, draws))["loss"].item())
    return training, images, losses


def test_eight_images_are_learnt_by_heart() -> None:
    """Each is drawn from any noise where its class is asked for."""
    training, images, _ = trained_on_eight("unet", "flow_matching", steps=160)
    model = training.model.eval()
    noise = torch.randn(8, 784, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        generated = model.generate(noise, Condition(torch.eye(8)), model.options_type())
    distances = torch.cdist(generated.flatten(1), images.flatten(1)) / 28
    assert torch.equal(distances.argmin(1), torch.arange(8)) and distances.diag().max() < 0.45, distances


@pytest.mark.parametrize("method", ["flow_matching", "mean_flow"])
@pytest.mark.parametrize("architecture", SMALL)
def test_both_methods_train_both_networks(architecture: str, method: str) -> None:
    """The error falls to less than half of that of a field that is zero everywhere, the mean of velocity²."""
    _, _, losses = trained_on_eight(architecture, method, steps=60)
    assert losses[0] == pytest.approx(1 + 0.27, abs=0.1)
    assert sum(losses[-10:]) / 10 < 0.6, losses


@pytest.mark.parametrize(("method", "predicts"), [("flow_matching", "velocity"), ("mean_flow", "average_velocity")])
def test_runs_resume_to_the_same_weights(method: str, predicts: str, digits_folder: Path, tmp_path: Path) -> None:
    settings = {
        "family": "flow",
        "architecture": "dit",
        "architecture_config": SMALL["dit"] | {"predicts": predicts},
        "method": method,
        "method_config": {"learning_rate": 1e-3},
    }
    whole = train(config(digits_folder, **settings), tmp_path / "whole", trackers=())
    train(config(digits_folder, **settings | {"samples": 80}), tmp_path / "parts", trackers=())
    resumed = train(config(digits_folder, **settings), tmp_path / "parts", resume=True, trackers=())
    weights = [load_file(folder / "model.safetensors") for folder in (whole, resumed)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "'steps' is wrong: it must be at least 1"),
        ({"steps": 10**6}, "'steps' is wrong: it must be at most 200"),
        ({"guidance": -1}, "'guidance' is wrong: it must be at least 0"),
        ({"guidance": "nan"}, "'guidance' is wrong: it must be a finite number"),
        ({"solver": "rk4"}, "'solver' is wrong: it must be one of 'euler', 'heun'"),
        ({"truncation": 0.5}, "unknown key 'truncation'; known keys are guidance, solver, steps"),
    ],
)
def test_wrong_options_end_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AIGCError, match=sentence) as caught:
        sample(checkpoint_of("dit"), SampleRequest(**options))
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("method", "architecture", "changes", "settings", "sentence"),
    [
        ("flow_matching", "dit", {"predicts": "average_velocity"}, {}, "set architecture_config.predicts to velocity"),
        ("mean_flow", "dit", {}, {}, "set architecture_config.predicts to average_velocity"),
        ("flow_matching", "dit", {"patch": 5}, {}, "Patches of 5 pixels do not fill images of 28"),
        ("flow_matching", "dit", {"heads": 3}, {}, "width must be a multiple of the number of heads"),
        ("flow_matching", "unet", {"patch": 4}, {}, "cannot be divided by 8"),
        ("flow_matching", "unet", {"widths": [20]}, {}, "multiples of 16"),
        ("flow_matching", "unet", {"heads": 3}, {}, "multiple of the number of heads"),
        ("flow_matching", "unet", {}, {"label_dropout": 2}, "label_dropout"),
        ("distillation", "unet", {}, {}, "no training method 'distillation'; there are flow_matching, mean_flow"),
    ],
)
def test_wrong_recipes_end_in_a_sentence(
    method: str, architecture: str, changes: dict[str, Any], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AIGCError, match=sentence):
        families["flow"].build_method(method, settings, spec(architecture, **changes), Accelerator(cpu=True))


@pytest.mark.parametrize("num_classes", [0, 3])
def test_networks_read_the_class_only_where_there_is_one(num_classes: int) -> None:
    shape = FieldShape(channels=3, resolution=32, num_classes=num_classes, num_times=2)
    for network in (DiT(DiTConfig(width=32), shape), UNet(UNetConfig(widths=(16, 32)), shape)):
        maps, times = torch.randn(2, 3, 32, 32), torch.rand(2, 2)
        lively(network)
        with torch.no_grad():
            first, second = (network(maps, times, torch.eye(3)[:2, :num_classes].roll(k, 0)) for k in (0, 1))
        assert first.shape == maps.shape
        assert torch.equal(first, second) == (num_classes == 0)
