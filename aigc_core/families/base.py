"""What every family of generative models provides: the contracts between models, their training and the rest.

A model is a deterministic map from standard-normal noise and a condition to a sample in *model space*: float maps
[N, C, H, W] in about [-1, 1], or tokens int64 [N, T]. A modality (`aigc_core.modalities`) converts these to the form in
which samples are stored and shown. Anything else that a model can do, it declares as a capability; nothing probes for
it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.modalities.base import Modality
from aigc_core.registry import Registry, find
from aigc_core.rng import StepDraws

if TYPE_CHECKING:  # takes a moment that those who only sample do not have to wait for
    from accelerate import Accelerator

ConfigType = TypeVar("ConfigType", bound=Config)


class Capability(StrEnum):
    """What a model can do besides generating; each one names the class whose methods provide it."""

    LATENT = "latent"
    """Noise is encoded into codes of a fixed size, which vary smoothly, and codes are decoded (`LatentModel`):
    directions, maps, interpolation, inversion."""
    STYLES = "styles"
    """The codes are one style per layer (`StyleModel`): style mixing."""
    PROMPT = "prompt"
    """A sample continues a prompt that the request gives."""
    STREAM = "stream"
    """A sample is drawn token by token and can be shown as it grows (`StreamingModel`)."""
    ENCODER = "encoder"
    """Real samples are turned into codes in one pass (`EncodingModel`): reconstruction, inversion at once."""
    WATERMARK = "watermark"
    """Its samples can carry a watermark, found without the noise that made them (`WatermarkingModel`)."""
    LIKELIHOOD = "likelihood"
    """The likelihood of real samples, or a bound on it, can be computed (`LikelihoodModel`): bits per dimension."""


@dataclass(frozen=True)
class Condition:
    """What steers N samples.

    `classes`: weights float32 [N, num_classes], each row summing to 1; [N, 0] for a model without classes. `prompt`:
    the tokens int64 [P] that all samples begin with; None without a prompt.
    """

    classes: Tensor
    prompt: Tensor | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: slice | Tensor) -> Condition:
        return replace(self, classes=self.classes[rows])

    def to(self, device: torch.device | str) -> Condition:
        """A copy on a device."""
        prompt = None if self.prompt is None else self.prompt.to(device)
        return Condition(self.classes.to(device), prompt)


class SamplerOptions(Config):
    """A family's own sampling controls, such as truncation, temperature or steps; this base class has none.

    A request writes each field as NAME=VALUE and leaves out those that have their default.
    """


class Model(nn.Module):
    """A deterministic map from noise and a condition to samples in model space.

    `noise_shape`: the shape of one sample's noise. `options_type`: its sampling controls. `single_graph`: whether
    sampling is one fixed graph of operations, which can be exported, rather than a loop that draws value after value.
    In eval mode a model draws no random numbers, and a sample does not depend on the rest of its batch.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    options_type: ClassVar[type[SamplerOptions]] = SamplerOptions
    single_graph: ClassVar[bool] = True

    @property
    def noise_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def rows(self) -> int | None:
        """How many samples `generate` computes together, however few it is given; None if just as many as those."""
        return None

    @property
    def device(self) -> torch.device:
        """The device that holds its weights."""
        return next(self.parameters()).device

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """N samples in model space from standard-normal noise float32 [N, *noise_shape].

        All arguments lie on the model's device, as do the samples. Raises AIGCError for options that do not fit the
        condition, such as a prompt that leaves no room.
        """
        raise NotImplementedError


class LatentModel(Model):
    """A model with a smooth space of codes: `generate` is `encode` followed by `decode`."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LATENT})

    def encode(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """The codes, float [N, …], of noise float32 [N, *noise_shape]."""
        raise NotImplementedError

    def decode(self, codes: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        """N samples in model space from codes as `encode` returns them.

        An option may affect either method: truncation changes the codes, a number of steps how they are decoded.
        """
        raise NotImplementedError

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        return self.decode(self.encode(noise, condition, options), condition, options)

    @property
    def code_centre(self) -> Tensor:
        """The mean of the codes: a tensor that broadcasts to [N, …]."""
        return torch.zeros((), device=self.device)

    def first_layers(self) -> list[Tensor]:
        """The weights [out, code size] of the linear layers that read the codes, for closed-form factorisation (SeFa;
        Shen and Zhou 2021)."""
        raise NotImplementedError


def latent_model(model: Model) -> LatentModel:
    """The same model, typed as one with latents. Raises AIGCError if it has none."""
    if not isinstance(model, LatentModel):
        raise AIGCError("This model has no smooth latent space, so its samples cannot be moved or mixed.")
    return model


class StyleModel(LatentModel):
    """A model whose codes are styles [N, num_layers, style_dim], one per layer (StyleGAN's W; Karras et al. 2019).

    `style_mean` [style_dim] is the moving average of styles.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LATENT, Capability.STYLES})
    num_layers: int
    style_mean: Tensor

    @property
    def code_centre(self) -> Tensor:
        return self.style_mean


class EncodingModel(LatentModel):
    """A model with latents and an encoder that finds the codes of real samples in one pass.

    `encoding_is_exact`: whether `decode` makes about the same samples of these codes, whatever the samples are.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.LATENT, Capability.ENCODER})
    encoding_is_exact: ClassVar[bool] = False

    def encode_samples(self, samples: Tensor, condition: Condition) -> Tensor:
        """The most likely codes, float [N, …], of samples in model space [N, …]."""
        raise NotImplementedError


class LikelihoodModel(Model):
    """A model that computes how likely real samples are; a subclass adds LIKELIHOOD to its capabilities."""

    def bits_per_dimension(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        """−log₂ p(sample) / number of values, float [N], of samples in model space [N, …].

        p is the probability of a sample as it is stored: for 8-bit images, that of exactly these integer values.
        `noise`: standard-normal [N, *noise_shape], one row per sample, for models that estimate p by sampling; others
        ignore it.
        """
        raise NotImplementedError


class LatentVariableModel(LikelihoodModel):
    """A model whose likelihood is an integral over latents, so that `bits_per_dimension` is an upper bound.

    q is what it takes for the posterior of a sample's latent.
    """

    def log_importance_weights(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        """log p(sample, latent) − log q(latent | sample) in nats, float64 [N], with one latent a sample, drawn from q.

        `samples`, p and `noise` are those of `bits_per_dimension`. The mean of exp(weight) over latents is p(sample)
        (Burda et al. 2016, equation 8).
        """
        raise NotImplementedError


MAX_STREAMED = 16
"""The most samples that `StreamingModel.stream` draws at a time."""


@dataclass(frozen=True)
class TokenStep:
    """The next token of each of N samples, at `position`, counted from 0.

    `tokens`: int64 [N] on the CPU, drawn from `logits` float [N, vocabulary] under the sampling options.
    """

    position: int
    tokens: Tensor
    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """The probability that the model gives each token, before the options: float32 [N] on the CPU, in [0, 1]."""
        return self.logits.float().softmax(1).cpu().gather(1, self.tokens[:, None])[:, 0]


class StreamingModel(Model):
    """A model of token sequences that yields each token as it is drawn; a subclass adds STREAM to its
    capabilities."""

    def stream(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Iterator[TokenStep]:
        """The tokens that follow the prompt until all samples have ended, the same as `generate` returns.

        Draws at most MAX_STREAMED samples. Raises AIGCError for a prompt that leaves no room.
        """
        raise NotImplementedError

    def warning(self, samples: Tensor, options: SamplerOptions) -> Sentence | None:
        """A sentence if samples in model space [N, …] are not what the options asked for, else None."""
        return None


@dataclass(frozen=True)
class Detection:
    """The result of looking for a watermark.

    `marked` of `counted` tokens agree with it; `p_value`: the probability that as many or more do by chance.
    """

    marked: int
    counted: int
    p_value: float


class WatermarkingModel(Model):
    """A model that can mark its samples; a subclass adds WATERMARK to its capabilities."""

    def detect_watermark(self, samples: Tensor, key: int) -> Detection:
        """Look for the watermark of `key` in samples in model space [N, …], whatever made them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Batch:
    """N real samples in model space, [N, …], and their class weights, float32 [N, num_classes]."""

    samples: Tensor
    classes: Tensor


@dataclass(frozen=True)
class StepState:
    """Where a run stands before a step.

    `step` counts from 0. `progress`: the share of the run that is done, 0 to 1. `samples_seen`: real samples shown so
    far, counted with repetition. `draws`: this step's random numbers.
    """

    step: int
    progress: float
    samples_seen: int
    draws: StepDraws


class TrainingMethod(ABC):
    """A way to train a model, as the training loop sees it."""

    @property
    @abstractmethod
    def model(self) -> Model:
        """The model that is averaged (EMA) and kept in checkpoints."""

    @property
    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """All modules whose state a resumed run needs, by name."""

    @property
    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers, whose state a resumed run needs as well, by name."""

    @abstractmethod
    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; returns losses and other measurements by name.

        They are scalars on the device, so that the step does not wait for the device to finish.
        """

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence for the user if the measurements of a step show that training is going wrong, else None."""
        return None

    def kept_model(self, average: Model, class_shares: Tensor) -> Model:
        """The averaged model as a checkpoint stores it, in eval mode.

        `class_shares` float32 [num_classes]: how often each class occurs in the data.
        """
        return copy.deepcopy(average).eval()


@dataclass(frozen=True)
class ModelSpec:
    """What a model is built from: an architecture, its settings, the kind of sample and the number of classes."""

    architecture: str
    architecture_config: Mapping[str, Any]
    modality: Modality
    num_classes: int = 0


def architecture_settings(spec: ModelSpec, known: Mapping[str, type[ConfigType]]) -> ConfigType:
    """The validated settings of `spec`'s architecture; `known`: the config of each architecture of the family.

    Raises AIGCError for an unknown architecture and for settings that do not fit.
    """
    config_type = find("architecture", spec.architecture, known)
    return parse_config(config_type, dict(spec.architecture_config), SETTINGS, "architecture_config")


def square_map(modality: Modality) -> tuple[int, int]:
    """The channels and the side of a modality's samples in model space.

    Raises AIGCError if they are tokens, or maps that are not square.
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
    """A way to learn a distribution and to sample from it.

    `build_model` makes a model with fresh weights; `methods`, by name, make a training method with such a model from
    its `method_config`. Both raise AIGCError for an unknown name or settings that do not fit. `options_type`: the
    sampling controls of the family's models.
    """

    build_model: Callable[[ModelSpec], Model]
    methods: Mapping[str, Callable[[Mapping[str, Any], ModelSpec, Accelerator], TrainingMethod]]
    options_type: type[SamplerOptions] = SamplerOptions

    def build_method(
        self, name: str, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator
    ) -> TrainingMethod:
        """The training method of that name, with a fresh model. Raises AIGCError if the family has no such method."""
        return find("training method", name, self.methods)(config, spec, accelerator)


families: Registry[Family] = Registry("family", "aigc_core.families")
