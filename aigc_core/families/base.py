"""What every family of generative models provides: the contracts between models, their training and the rest.

A model is a deterministic map from standard-normal noise and a condition to a sample in *model space*: float maps
[N, C, H, W] in about [-1, 1], or tokens int64 [N, T]. A modality (`aigc_core.modalities`) leads from there to what is
stored and shown. What a model can do beyond that it declares as capabilities; nothing probes for it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError
from aigc_core.modalities.base import Modality
from aigc_core.registry import Registry, find
from aigc_core.rng import StepDraws

ConfigType = TypeVar("ConfigType", bound=Config)


class Capability(StrEnum):
    """What a model can do beyond generating; each names the class that has what it takes."""

    LATENT = "latent"
    """Noise is encoded into smooth codes of one size, and codes are decoded (`LatentModel`): directions, maps,
    interpolation, inversion."""
    STYLES = "styles"
    """The codes are one style a layer (`StyleModel`): style mixing."""
    PROMPT = "prompt"
    """A sample goes on from a beginning that the request gives."""
    STREAM = "stream"
    """A sample is drawn token by token, and can be seen as it grows (`StreamingModel`)."""
    ENCODER = "encoder"
    """Real samples are turned into codes in one pass (`EncodingModel`): reconstruction, inversion at once."""
    WATERMARK = "watermark"
    """A mark in its samples is found without the noise that made them (`WatermarkingModel`)."""
    LIKELIHOOD = "likelihood"
    """Real samples have a likelihood, or a bound of it (`LikelihoodModel`): bits per dimension."""


@dataclass(frozen=True)
class Condition:
    """What steers N samples.

    `classes`: weights float32 [N, num_classes] that sum to 1; [N, 0] without classes. `prompt`: what all samples begin
    with, as tokens int64 [P]; None where nothing was asked for.
    """

    classes: Tensor
    prompt: Tensor | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: slice | Tensor) -> Condition:
        return replace(self, classes=self.classes[rows])

    def to(self, device: torch.device | str) -> Condition:
        """The same on a device."""
        prompt = None if self.prompt is None else self.prompt.to(device)
        return Condition(self.classes.to(device), prompt)


class SamplerOptions(Config):
    """A family's own controls of sampling, such as truncation, temperature or steps; this one has none.

    Each field has a default, which a request leaves out, and is written in a request as NAME=VALUE.
    """


class Model(nn.Module):
    """A deterministic map from noise and a condition to samples in model space.

    `noise_shape`: of one sample's noise. `options_type`: its controls of sampling. `single_graph`: whether drawing is
    one fixed graph of operations, which can be exported, rather than a value after another. In eval mode a model draws
    no random numbers, and a sample does not depend on the others of its batch.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    options_type: ClassVar[type[SamplerOptions]] = SamplerOptions
    single_graph: ClassVar[bool] = True

    @property
    def noise_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return next(self.parameters()).device

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """Samples in model space from standard-normal noise float32 [N, *noise_shape]."""
        raise NotImplementedError


class LatentModel(Model):
    """A model with a smooth space of codes: `generate` decodes what it encodes."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LATENT})

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """Codes float [N, …] of noise float32 [N, *noise_shape]."""
        raise NotImplementedError

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """Samples in model space of codes as `encode` returns them; options may bear on either, such as a truncation on
        the codes and the number of steps on how they are decoded."""
        raise NotImplementedError

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.decode(self.encode(noise, condition, options), condition, options)

    @property
    def code_centre(self) -> Tensor:
        """What codes lie around: a tensor that broadcasts to [N, …]."""
        return torch.zeros((), device=self.device)

    def first_layers(self) -> list[Tensor]:
        """The linear maps that read the codes, as 2-D weights [out, code size], for closed-form factorisation."""
        raise NotImplementedError


def latent_model(model: Model) -> LatentModel:
    """The model, if it has latents. Raises AIGCError if it has none."""
    if not isinstance(model, LatentModel):
        raise AIGCError("This model has no smooth latent space, so its samples cannot be moved or mixed.")
    return model


class StyleModel(LatentModel):
    """A model whose codes are styles [N, num_layers, style_dim], one a layer (StyleGAN's W; Karras et al. 2019).

    `style_mean` [style_dim] is the moving average of styles.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LATENT, Capability.STYLES})
    num_layers: int
    style_mean: Tensor

    @property
    def code_centre(self) -> Tensor:
        return self.style_mean


class EncodingModel(LatentModel):
    """A model with latents whose encoder finds the codes of real samples in one pass."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LATENT, Capability.ENCODER})

    def encode_samples(self, samples: Tensor, condition: Condition) -> Tensor:
        """The most likely codes float [N, …] of samples in model space [N, …]."""
        raise NotImplementedError


class LikelihoodModel(Model):
    """A model that says how likely real samples are; a subclass adds LIKELIHOOD to its capabilities.

    `likelihood_is_exact`: whether `bits_per_dimension` is the likelihood itself rather than an upper bound or an
    estimate of it.
    """

    likelihood_is_exact: ClassVar[bool]

    def bits_per_dimension(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        """−log₂ p(sample) / number of values, float [N], of samples in model space [N, …] as they are stored: of 8-bit
        images, the probability of these very values.

        `noise`: standard-normal [N, *noise_shape], one row a sample, for what has to be estimated; the rest ignores it.
        """
        raise NotImplementedError


MAX_STREAMED = 16
"""So many samples can be watched at a time."""


@dataclass(frozen=True)
class TokenStep:
    """What N samples go on with at `position`, which counts from 0: `tokens` int64 [N] on the CPU, drawn from `logits`
    float [N, vocabulary] as the options have it."""

    position: int
    tokens: Tensor
    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """Those of the tokens as learnt, without the options: float32 [N] on the CPU."""
        return self.logits.float().softmax(1).cpu().gather(1, self.tokens[:, None])[:, 0]


class StreamingModel(Model):
    """A model of sequences of tokens that shows each token as it is drawn; a subclass adds STREAM to its
    capabilities."""

    def stream(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Iterator[TokenStep]:
        """The tokens that follow the prompt, until all samples have ended: those of what `generate` returns.

        Of at most MAX_STREAMED samples. Raises AIGCError for a prompt that leaves no room.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Detection:
    """Of `counted` places, `marked` are as a watermark has them; `p_value`: the probability of so many or more without
    it."""

    marked: int
    counted: int
    p_value: float


class WatermarkingModel(Model):
    """A model that can mark its samples; a subclass adds WATERMARK to its capabilities."""

    def detect_watermark(self, samples: Tensor, key: int) -> Detection:
        """Look for the watermark of a key in samples in model space [N, …], whoever made them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Batch:
    """N real samples in model space with what is known of each: class weights float32 [N, num_classes]."""

    samples: Tensor
    classes: Tensor


@dataclass(frozen=True)
class StepState:
    """Where a run stands before a step.

    `step` counts from 0. `progress`: share of the run that is over, 0 to 1. `samples_seen`: real samples shown so far,
    counted with repetition. `draws`: this step's random numbers.
    """

    step: int
    progress: float
    samples_seen: int
    draws: StepDraws


class TrainingMethod(ABC):
    """What the training loop asks of a way to train: it knows nothing of what happens inside."""

    @property
    @abstractmethod
    def model(self) -> Model:
        """What is averaged and kept."""

    @property
    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """Everything whose state must be kept to go on training."""

    @property
    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers, whose state is kept as well."""

    @abstractmethod
    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; returns what was measured as scalars on the device, so that nothing waits for them."""

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence when what was measured shows that training goes wrong."""
        return None

    def kept_model(self, average: Model, class_shares: Tensor) -> Model:
        """What a checkpoint holds, in eval mode, of the averaged model.

        `class_shares` float32 [num_classes]: how often each class occurs in the data.
        """
        return copy.deepcopy(average).eval()


@dataclass(frozen=True)
class ModelSpec:
    """What a model is built for: an architecture and its settings, the kind of sample, the number of classes."""

    architecture: str
    architecture_config: Mapping[str, Any]
    modality: Modality
    num_classes: int = 0


def architecture_settings(spec: ModelSpec, known: Mapping[str, type[ConfigType]]) -> ConfigType:
    """The settings of a model's architecture, one of those that are known to the family.

    Raises AIGCError for any other, and for settings that do not fit.
    """
    config_type = find("architecture", spec.architecture, known)
    return parse_config(config_type, dict(spec.architecture_config), "architecture_config")


def square_map(modality: Modality) -> tuple[int, int]:
    """Channels and side of a modality's samples in model space.

    Raises AIGCError where they are tokens, or maps that are not square.
    """
    shape = modality.map_shape
    if shape is None:
        raise AIGCError("This family draws images and other maps of numbers, not {kind}.", kind=modality.name)
    channels, height, width = shape
    if height != width:
        raise AIGCError(
            "This family draws square maps, and these are {height} × {width}; make both sides equal.",
            height=height,
            width=width,
        )
    return channels, height


@dataclass(frozen=True)
class Family:
    """A way to learn and draw a distribution.

    `build_model`: a model with fresh weights. `methods`: by name, what builds a way to train such a model from
    `method_config`. Both raise AIGCError for an unknown name or settings that do not fit. `options_type`: the controls
    of sampling that the family's models have.
    """

    build_model: Callable[[ModelSpec], Model]
    methods: Mapping[str, Callable[[Mapping[str, Any], ModelSpec, Accelerator], TrainingMethod]]
    options_type: type[SamplerOptions] = SamplerOptions

    def build_method(
        self, name: str, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator
    ) -> TrainingMethod:
        """A way to train a model with fresh weights. Raises AIGCError if the family has none of that name."""
        return find("training method", name, self.methods)(config, spec, accelerator)


families: Registry[Family] = Registry("family", "aigc_core.families")
