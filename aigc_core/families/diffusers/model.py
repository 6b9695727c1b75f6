"""Pipelines of diffusers without text as models: a network that predicts noise, DDIM, and the decoder of an
autoencoder if the network works on latents.

DDIM with η = 0 is deterministic: a sample follows from the noise it starts from (Song et al. 2021, equation 12). Only
the library's own classes are built, from their configs, whose numbers are limited first.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Condition, Model, ModelSpec, SamplerOptions
from aigc_core.modalities.image import image_kind

NETWORKS = ("UNet2DModel", "DiTTransformer2DModel")
DECODERS = ("AutoencoderKL", "VQModel")
MAX_SETTING = 65_536
MAX_ENTRIES = 64
MAX_LAYERS = 128
"""Limits of numbers, lists and depths in configs, so that networks stay small until their weights are compared."""


class DiffusionOptions(SamplerOptions):
    """`steps` of DDIM; 0 means as many as the checkpoint's config names."""

    steps: int = Field(
        default=0,
        ge=0,
        le=1000,
        title=Sentence("Steps"),
        description=Sentence("of DDIM; more are finer and slower · 0: as the checkpoint says"),
    )


class GuidedOptions(DiffusionOptions):
    """`guidance`: 1 draws from the class as it was learnt, more makes samples more typical of it and less varied (Ho &
    Salimans 2021); by default that of diffusers' pipeline."""

    guidance: float = Field(
        default=4.0,
        ge=1,
        le=20,
        title=Sentence("Guidance"),
        description=Sentence("1: as learnt · more: truer to the class, less varied"),
    )


def _bounded(settings: dict[str, Any]) -> dict[str, Any]:
    """Raise ValueError for settings from which a very large network would be built."""

    def check(name: str, value: object) -> None:
        limit = MAX_LAYERS if "layers" in name or name.startswith("num_res") else MAX_SETTING
        if isinstance(value, dict) or (
            isinstance(value, list) and len(value) > MAX_ENTRIES and name != "trained_betas"
        ):
            raise ValueError(Sentence("'{name}' is too long", name=name))
        if isinstance(value, list):
            for entry in value:
                check(name, entry)
        elif isinstance(value, int | float) and not -limit <= value <= limit:
            raise ValueError(Sentence("'{name}' is over {limit:,}", name=name, limit=limit))

    for name, value in settings.items():
        check(name, value)
    return settings


Settings = Annotated[dict[str, Any], AfterValidator(_bounded)]


class PipelineConfig(Config):
    """Configs of a pipeline's parts, as diffusers writes them: of the network, of the scheduler, and, where the network
    works on latents, of the decoder, by the name of its class. `steps` of DDIM are for requests that ask for none."""

    network: Settings
    scheduler: Settings
    decoder_name: Literal["", "AutoencoderKL", "VQModel"] = ""
    decoder: Settings = {}
    steps: int = Field(default=50, ge=1, le=1000)


class DiffusionModel(Model):
    """A network that predicts the noise in images or latents, run by DDIM.

    The noise is that of the images or latents, [C, R, R].
    """

    options_type = DiffusionOptions
    single_graph = False

    def __init__(self, name: str, config: PipelineConfig, num_classes: int) -> None:
        super().__init__()
        self.scheduler_config, self.steps = config.scheduler, config.steps
        self.network = build_part(name, config.network)
        self.decoder = build_part(config.decoder_name, config.decoder) if config.decoder_name else None
        self.num_classes = num_classes
        self._scheduler()  # now rather than at the first sample, if it cannot be made

    @property
    def noise_shape(self) -> tuple[int, ...]:
        settings: Any = self.network.config
        return settings.in_channels, settings.sample_size, settings.sample_size

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        assert isinstance(options, DiffusionOptions)
        scheduler, points = self._scheduler(), noise
        steps = options.steps or self.steps
        if steps > scheduler.config.num_train_timesteps:
            raise AIGCError(
                "The model was trained for {limit} steps; ask for no more.", limit=scheduler.config.num_train_timesteps
            )
        scheduler.set_timesteps(steps, device=noise.device)
        numbers = self._numbers(condition.classes)
        for time in scheduler.timesteps:
            predicted = self.predict(points, time, numbers, options)
            points = scheduler.step(predicted, time, points, eta=0.0).prev_sample
        if self.decoder is None:
            return points
        factor = getattr(self.decoder.config, "scaling_factor", 1.0)
        decoder: Any = self.decoder
        return decoder.decode(points / factor).sample

    def predict(self, points: Tensor, time: Tensor, numbers: Tensor | None, options: DiffusionOptions) -> Tensor:
        """The network's prediction for points [N, C, R, R] at a time step; `numbers`: of their classes, int64 [N]."""
        return self.network(points, time, class_labels=numbers).sample

    def _numbers(self, classes: Tensor) -> Tensor | None:
        if not self.num_classes:
            return None
        numbers = classes.argmax(1)
        if not torch.equal(classes.gather(1, numbers[:, None]), classes.new_ones(len(classes), 1)):
            raise AIGCError("This model takes one class a sample, so classes cannot be mixed.")
        return numbers

    def _scheduler(self) -> Any:
        """A new scheduler for each call, as it counts its steps."""
        diffusers = require_diffusers()
        try:
            return diffusers.DDIMScheduler.from_config(dict(self.scheduler_config))
        except (TypeError, ValueError, NotImplementedError, KeyError) as error:
            raise _unfit("scheduler", error) from None


class TransformerModel(DiffusionModel):
    """A diffusion Transformer (Peebles & Xie 2023) with guidance, as diffusers' `DiTPipeline` draws from it."""

    options_type = GuidedOptions

    def predict(self, points: Tensor, time: Tensor, numbers: Tensor | None, options: DiffusionOptions) -> Tensor:
        assert isinstance(options, GuidedOptions) and numbers is not None
        channels, guided = points.shape[1], options.guidance > 1
        if guided:
            points = torch.cat([points, points])
            numbers = torch.cat([numbers, torch.full_like(numbers, self.num_classes)])  # which means "no class"
        predicted = self.network(points, timestep=time.expand(len(points)), class_labels=numbers).sample
        predicted = predicted[:, :channels]  # what follows is the variance, which DDIM does not need
        if guided:
            conditional, unconditional = predicted.chunk(2)
            predicted = unconditional + options.guidance * (conditional - unconditional)
        return predicted


def build_model(spec: ModelSpec) -> DiffusionModel:
    """A model with fresh weights. Raises AIGCError for an unknown network, and for settings that do not fit each other
    or the images."""
    if spec.architecture not in NETWORKS:
        raise AIGCError(
            "There is no network '{name}' of diffusers here; there are {known}.",
            name=spec.architecture,
            known=", ".join(NETWORKS),
        )
    config = parse_config(PipelineConfig, dict(spec.architecture_config), SETTINGS, "architecture_config")
    kind = image_kind(spec.modality)
    build = DiffusionModel if spec.architecture == "UNet2DModel" else TransformerModel
    model = build(spec.architecture, config, spec.num_classes)
    expected = image_size(config), channels_of(config), classes_of(spec.architecture, config)
    if expected != (kind.resolution, kind.channels, spec.num_classes):
        raise AIGCError(
            "Settings: 'architecture_config' is wrong: the sizes of the network's images or classes do not fit."
        )
    return model


def image_size(config: PipelineConfig) -> int:
    """The side in pixels of what a pipeline draws. Raises AIGCError for one that is not square."""
    size = config.network.get("sample_size")
    if not isinstance(size, int):
        raise AIGCError("The network draws no square images of one size ({size}).", size=size)
    return size * 2 ** (len(config.decoder.get("block_out_channels", [0])) - 1) if config.decoder_name else size


def channels_of(config: PipelineConfig) -> object:
    """How many channels the images of a pipeline have."""
    return config.decoder.get("out_channels", 3) if config.decoder_name else config.network.get("in_channels", 3)


def classes_of(name: str, config: PipelineConfig) -> object:
    """How many classes a network knows."""
    return config.network.get("num_embeds_ada_norm" if name != "UNet2DModel" else "num_class_embeds") or 0


def require_diffusers() -> Any:
    """Import diffusers. Raises AIGCError if it is not installed."""
    try:
        return import_module("diffusers")
    except ImportError as error:
        raise AIGCError(
            "Pipelines of diffusers need the package diffusers ({error}); run: pip install 'diffusers>=0.33'",
            error=error,
        ) from None


def build_part(name: str, settings: dict[str, Any]) -> nn.Module:
    """Build a network of one of diffusers' own classes. Raises AIGCError for settings that it does not take."""
    if name not in NETWORKS + DECODERS:
        raise AIGCError(
            "There is no network '{name}' of diffusers here; there are {known}.",
            name=name,
            known=", ".join(NETWORKS + DECODERS),
        )
    kind = getattr(require_diffusers(), name)
    try:
        part = kind(**{key: value for key, value in settings.items() if not key.startswith("_")})
    except (TypeError, ValueError, NotImplementedError, LookupError, ZeroDivisionError, AssertionError) as error:
        raise _unfit(name, error) from None
    for module in part.modules():
        # Positions that are computed and not saved would be missing in what is loaded.
        module._non_persistent_buffers_set.clear()
    return part


def _unfit(name: str, error: Exception) -> AIGCError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return AIGCError("The config of '{name}' does not fit diffusers: {reason}", name=name, reason=reason[:300])


def read_settings(text: str) -> dict[str, Any]:
    """Parse a config as diffusers writes it. Raises ValueError if it is not a JSON object."""
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not an object")
    return values
