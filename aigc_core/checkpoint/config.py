"""What `config.json` of a checkpoint holds: what the model is and how it was made."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Annotated, Any
from unicodedata import normalize

from pydantic import AliasChoices, Field, field_validator, model_validator

from aigc_core.config import Config
from aigc_core.data.datasets import public_name
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import ModelSpec
from aigc_core.modalities.base import Modality, build_modality
from aigc_core.version import __version__

from .layout import CONFIG_FILE, MAX_CONFIG_BYTES
from .reference import published_reference

SamplesSeen = Annotated[int, Field(ge=0, validation_alias=AliasChoices("samples_seen", "images_seen"))]
"""How many real samples training has shown, counted with repetition. Files from when all samples were images call it
`images_seen`."""


class CheckpointConfig(Config):
    """What `config.json` holds.

    `modality` and `shape`: what a sample is. `family`, `architecture` and `architecture_config`: the model that draws
    it. `num_classes`: 0 for a model without classes. `class_shares`: how often each class occurs in the training data,
    empty if all occur equally often. `dataset`: the name of a registered data set, or of a folder on the machine where
    the model was trained; `data_hash`: the hash of its content (`content_hash`), empty in older checkpoints. `recipe`:
    the training configuration. `step` and `samples_seen` count training steps and the real samples shown in them.
    `parent`: the checkpoint or commit that training started from. `rounded_from`: the SHA-256 of the float32 weights
    that these were rounded from, so that files made with those are still recognised.

    Version 1 had only GANs of images, and `image_shape` in place of `modality`, `shape` and `num_classes`.
    """

    format_version: int = Field(default=2, ge=2, le=2)
    family: str = "gan"
    architecture: str
    architecture_config: dict[str, Any] = {}
    modality: str = "image"
    shape: dict[str, Any]
    num_classes: int = Field(default=0, ge=0, le=10_000)
    class_names: tuple[str, ...] = ()
    class_shares: tuple[float, ...] = ()
    dataset: str
    data_hash: str = Field(default="", pattern="^([0-9a-f]{16})?$")
    data_licence: str = ""
    recipe: dict[str, Any] = {}
    step: int = Field(default=0, ge=0)
    samples_seen: SamplesSeen = 0
    training_seconds: float = Field(default=0, ge=0)
    library_version: str = __version__
    parent: str | None = None
    rounded_from: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...] = Field(default=(), max_length=8)

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("format_version", 2) != 1 or "image_shape" not in values:
            return values
        image_shape = values["image_shape"]
        if not isinstance(image_shape, dict):
            raise ValueError(Sentence("image_shape must be an object"))
        shape = {name: value for name, value in image_shape.items() if name != "num_classes"}
        others = {name: value for name, value in values.items() if name != "image_shape"}
        number = image_shape.get("num_classes", 0)
        return others | {"format_version": 2, "modality": "image", "shape": shape, "num_classes": number}

    @field_validator("class_names")
    @classmethod
    def _bounded_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(name) > 200 for name in names):
            raise ValueError(Sentence("a class name is longer than 200 characters"))
        return tuple(normalize("NFC", name) for name in names)

    @model_validator(mode="after")
    def _shares_of_the_whole(self) -> CheckpointConfig:
        shares = self.class_shares
        if shares and not (len(shares) == self.num_classes and min(shares) >= 0 and abs(sum(shares) - 1) < 1e-3):
            raise ValueError(Sentence("class_shares must be one share a class, 1 in all"))
        return self

    @cached_property
    def sample_kind(self) -> Modality:
        """What a sample is. Raises AIGCError for an unknown modality, or a shape that does not fit it."""
        return build_modality(self.modality, self.shape)

    @property
    def spec(self) -> ModelSpec:
        """What the model is built from. Raises AIGCError as `sample_kind` does."""
        return ModelSpec(self.architecture, self.architecture_config, self.sample_kind, self.num_classes)

    def published(self) -> CheckpointConfig:
        """A copy to publish: of local folders, such as the data's and the parent's, only the names remain."""
        kept = {"data": public_name, "parent": published_reference}
        recipe = {name: kept[name](str(value)) if name in kept else value for name, value in self.recipe.items()}
        parent = self.parent and published_reference(self.parent)
        return self.model_copy(update={"dataset": public_name(self.dataset), "recipe": recipe, "parent": parent})

    def as_json(self) -> str:
        """The text of `config.json`, in ASCII. Raises AIGCError if it is larger than what is opened."""
        text = json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
        if len(text) > MAX_CONFIG_BYTES:
            raise AIGCError(
                "{config_file} would be {size:,} bytes long, and at most {limit:,} are opened: there are {count:,} "
                "class names; shorten them, or do without by --set conditional=false.",
                config_file=CONFIG_FILE,
                size=len(text),
                limit=MAX_CONFIG_BYTES,
                count=len(self.class_names),
            )
        return text

    def class_name(self, label: int) -> str:
        """The name of a class, or its number where the data set names none."""
        return self.class_names[label] if label < len(self.class_names) else str(label)
