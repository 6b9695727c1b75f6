"""A recipe: what is trained, on which data, how, and for how long. Presets are such configs in YAML."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from aigc_core.config import Config
from aigc_core.errors import Sentence
from aigc_core.families.schedule import NonNegativeSchedule
from aigc_core.rng import MAX_SEED

RENAMED = {"images": "samples", "checkpoint_images": "checkpoint_samples"}
"""Names of settings from when all samples were images, and today's."""


class TrainingConfig(Config):
    """A recipe.

    `data`: a data set's name, a folder or a file; `data_limit`: the most samples to use. `modality`: the kind of
    sample; `shape`: the part of its shape that the recipe fixes, such as a resolution; the data determine the rest.
    `conditional`: whether the model learns the data's classes.

    `samples`: how many real samples are shown in all, counted with repetition; `seconds`, if given, bounds the time
    spent training instead. `ema_half_life` is in samples; `ema_ramp_up` as in `ExponentialMovingAverage`. A checkpoint
    is kept every `checkpoint_samples` samples or, if that is null, at times that double (see `moments.py`, which also
    says when a run saves in between so that it can be resumed). `parent`: a checkpoint of the same model to start from,
    with a fresh training method; `samples` and `seconds` count from there, and a checkpoint's counters go on from the
    parent's.
    """

    data: str
    data_limit: int | None = Field(default=None, ge=1)
    modality: str = "image"
    shape: dict[str, Any] = {}
    conditional: bool = True
    family: str = "gan"
    architecture: str = "dcgan"
    architecture_config: dict[str, Any] = {}
    method: str = "adversarial"
    method_config: dict[str, Any] = {}
    samples: int = Field(default=3_000_000, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=64, ge=1, le=65_536)
    horizontal_flip: bool = False
    ema_half_life: NonNegativeSchedule = 10_000
    ema_ramp_up: float | None = Field(default=0.05, ge=0)
    checkpoint_samples: int | None = Field(default=500_000, ge=1)
    parent: str = ""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    preset: str = ""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        """Rename settings of earlier versions; if old and new name are both there, the later one counts."""
        return (
            {RENAMED.get(name, name): value for name, value in values.items()} if isinstance(values, dict) else values
        )

    @model_validator(mode="before")
    @classmethod
    def _shape_of_images(cls, values: Any) -> Any:
        """`resolution` and `channels`, the shape of images, may stand beside the other settings."""
        if not isinstance(values, dict) or not {"resolution", "channels"} & values.keys():
            return values
        shape = values.get("shape", {})
        if not isinstance(shape, dict):
            raise ValueError(Sentence("shape must be an object"))
        beside = {name: values[name] for name in ("resolution", "channels") if values.get(name) is not None}
        others = {name: value for name, value in values.items() if name not in ("resolution", "channels")}
        return others | {"shape": shape | beside}
