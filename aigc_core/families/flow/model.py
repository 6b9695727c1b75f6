"""Flows: models that transport noise to samples along a vector field that a network computes.

Time runs from 0, where points are standard-normal noise, to 1, where they are samples in model space.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import conv2d

from aigc_core.config import SETTINGS, parse_config
from aigc_core.errors import Sentence
from aigc_core.families.base import (
    Capability,
    Condition,
    EncodingModel,
    LikelihoodModel,
    ModelSpec,
    SamplerOptions,
    square_map,
)

from .likelihood import bits_per_dimension
from .networks import FieldShape, VectorField, architectures
from .sample_prediction import SamplePrediction
from .solvers import Velocity, even_times, heun, solvers

ENCODING_STEPS = 8
MAX_STEPS = 200


class FlowOptions(SamplerOptions):
    """How the differential equation is solved.

    `steps`: of the solver; Heun's method evaluates the network twice in every step but the last. `guidance`: 1 draws
    from the class as learnt, more than 1 makes samples more typical of it and less varied, 0 ignores the class (Ho &
    Salimans 2021). It has no effect in a model without classes.
    """

    steps: int = Field(
        default=8,
        ge=1,
        le=MAX_STEPS,
        title=Sentence("Steps"),
        description=Sentence("of the solver; more are finer and slower"),
    )
    guidance: float = Field(
        default=1.0,
        ge=0,
        le=20,
        title=Sentence("Guidance"),
        description=Sentence("1: as learnt · more: truer to the class, less varied"),
    )
    solver: Literal["euler", "heun"] = Field(
        default="heun",
        title=Sentence("Solver"),
        description=Sentence("heun: two evaluations a step, of second order · euler: one, of first order"),
    )


class MeanFlowOptions(SamplerOptions):
    """`steps`: the number of jumps from noise to sample, one evaluation of the network each."""

    steps: int = Field(
        default=1,
        ge=1,
        le=MAX_STEPS,
        title=Sentence("Steps"),
        description=Sentence("jumps from noise to sample; one is the fastest"),
    )


class VectorFieldModel(EncodingModel, LikelihoodModel):
    """The common part of all flows.

    Codes are the noise itself, float [N, channels · resolution²]; options affect how they are decoded.

    The likelihood is that of the flow for the given classes, with noise added to undo the rounding to 8 bits and an
    estimate of the divergence; see `likelihood`.
    """

    capabilities: ClassVar[frozenset[Capability]] = EncodingModel.capabilities | {Capability.LIKELIHOOD}

    def __init__(self, network: VectorField, sample_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.network, self.sample_shape = network, sample_shape

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (torch.Size(self.sample_shape).numel(),)

    def velocity(self, points: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        """The velocity [N, C, R, R] of points [N, C, R, R] at times [N]; classes as `VectorField` takes them."""
        raise NotImplementedError

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return noise

    def encode_samples(self, samples: Tensor, condition: Condition) -> Tensor:
        """Where the differential equation leads from samples, back in time, to the noise that flows to them (Chen et
        al. 2018, section 4)."""

        def velocity(points: Tensor, time: float) -> Tensor:
            return self.velocity(points, points.new_full((len(points),), time), condition.classes)

        return heun(velocity, samples, even_times(ENCODING_STEPS, 1.0, 0.0)).flatten(1)

    def first_layers(self) -> list[Tensor]:
        """The convolution that reads the noise, as one matrix."""
        weight, stride = self.network.input_weight(), self.network.input_stride
        size = self.noise_shape[0]
        basis = torch.eye(size, device=weight.device, dtype=weight.dtype).unflatten(1, self.sample_shape)
        return [conv2d(basis, weight, stride=stride, padding=(weight.shape[2] - stride) // 2).flatten(1).T]

    def bits_per_dimension(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        classes = condition.classes
        return bits_per_dimension(lambda points, time: self.velocity(points, time, classes), samples, noise)


class FlowModel(VectorFieldModel):
    """The network is the velocity v(x, t) of an ordinary differential equation (Lipman et al. 2023, equation 1)."""

    options_type = FlowOptions
    encoding_is_exact = True

    def velocity(self, points: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        return self.network(points, time[:, None], classes)

    def guided(self, classes: Tensor, guidance: float) -> Velocity:
        """v(x, t | ∅) + guidance · (v(x, t | classes) − v(x, t | ∅)) (Ho & Salimans 2021, equation 6, with guidance
        1 + w), where ∅ stands for no class."""
        untold = torch.zeros_like(classes)
        if not classes.shape[1] or guidance in (0, 1):
            chosen = classes if guidance else untold
            return lambda points, time: self.velocity(points, points.new_full((len(points),), time), chosen)
        both = torch.cat([classes, untold])

        def velocity(points: Tensor, time: float) -> Tensor:
            times = points.new_full((len(both),), time)
            with_class, without = self.velocity(torch.cat([points, points]), times, both).chunk(2)
            return torch.lerp(without, with_class, guidance)

        return velocity

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        assert isinstance(options, FlowOptions)
        velocity = self.guided(condition.classes, options.guidance)
        return solvers[options.solver](velocity, codes.unflatten(1, self.sample_shape), even_times(options.steps))


class MeanFlowModel(VectorFieldModel):
    """The network is the average velocity u(x, t, d) from time t to t + d (Geng et al. 2025, equation 3): one
    evaluation moves a point by the whole duration d. For d = 0 it is the velocity."""

    options_type = MeanFlowOptions

    def average_velocity(self, points: Tensor, time: Tensor, duration: Tensor, classes: Tensor) -> Tensor:
        """u [N, C, R, R] of points [N, C, R, R], from times [N], for durations [N]."""
        return self.network(points, torch.stack([time, duration], dim=1), classes)

    def velocity(self, points: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        return self.average_velocity(points, time, torch.zeros_like(time), classes)

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """By x(t + d) = x(t) + d · u(x, t, d) (equation 12)."""
        assert isinstance(options, MeanFlowOptions)
        points, times = codes.unflatten(1, self.sample_shape), even_times(options.steps)
        for now, then in zip(times, times[1:]):
            time, duration = (points.new_full((len(points),), value) for value in (now, then - now))
            points = points + (then - now) * self.average_velocity(points, time, duration, condition.classes)
        return points


def build_model(spec: ModelSpec) -> FlowModel | MeanFlowModel:
    """A flow with fresh weights. Raises AIGCError for an unknown architecture, a config that does not fit, and samples
    that are not square maps."""
    (channels, resolution), architecture = square_map(spec.modality), architectures[spec.architecture]
    config = parse_config(architecture.config, dict(spec.architecture_config), SETTINGS, "architecture_config")
    averages = config.predicts == "average_velocity"
    shape = FieldShape(channels, resolution, spec.num_classes, 1 + averages)
    network, sample_shape = architecture.build(config, shape), (channels, resolution, resolution)
    if config.output == "sample":
        network = SamplePrediction(network)
    return MeanFlowModel(network, sample_shape) if averages else FlowModel(network, sample_shape)
