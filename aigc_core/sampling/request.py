"""Everything that determines a set of samples, and its text form.

A request is one flat list of names and values: fields that every model understands, and *options* that belong to the
model's family (`truncation`, `temperature` …) or edit its latents (`offset.pca0`, `mix_seed` …). Its canonical string
is the share link, is written into every file, and reproduces the samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, field_validator, model_validator

from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Capability, Model, SamplerOptions, families, latent_model
from aigc_core.rng import MAX_SEED

from .edits import OFFSET, LatentEdits
from .labels import join_entries, split_entries

MAX_COUNT = 65_536
MAX_OPTIONS = 4200
MAX_VALUE_LENGTH = 10_000
REQUEST = Sentence("Request")


class SampleRequest(Config):
    """A request for `count` samples, of seeds `seed`, `seed` + 1, ….

    `checkpoint`: a reference (`CheckpointReference`). `labels`: empty to draw a class from each sample's seed, with the
    frequencies of the training data; otherwise classes by number or name, repeated over the samples: "3", "Bag",
    "0,1,2", or a weighted mix of classes, "Bag:0.7+Coat:0.3" (see `labels`). `prompt`: the beginning of every sample,
    for models that take one.

    `options`: by name, as text; any keyword that is not a field is an option:
    `SampleRequest(seed=7, truncation=0.5, offsets={"pca0": 2})`. They are checked once the model is known, by
    `options_of` and `edits_of`.
    """

    checkpoint: str = ""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    labels: str = Field(default="", max_length=MAX_VALUE_LENGTH)
    prompt: str = Field(default="", max_length=MAX_VALUE_LENGTH)
    options: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, values: Any) -> Any:
        """Keywords that are not fields are options."""
        if not isinstance(values, dict):
            return values
        known = {name: value for name, value in values.items() if name in cls.model_fields}
        options = known.pop("options", {})
        if not isinstance(options, Mapping):
            raise ValueError(Sentence("options must be names and values"))
        options = dict(options)
        for name, value in values.items():
            if name == "offsets" and isinstance(value, Mapping):
                options |= {OFFSET + offset: moved for offset, moved in value.items() if moved}
            elif name not in cls.model_fields and value is not None:
                options[name] = value
        return known | {"options": options}

    @field_validator("options", mode="before")
    @classmethod
    def _as_text(cls, options: Mapping[str, Any]) -> dict[str, str]:
        texts = {name: _text(options[name]) for name in sorted(options)}
        if taken := sorted(texts.keys() & cls.model_fields.keys() - {"options"}):
            raise ValueError(Sentence("'{name}' is given by itself, not among the options", name=taken[0]))
        if len(texts) > MAX_OPTIONS or any(len(text) > MAX_VALUE_LENGTH for text in [*texts, *texts.values()]):
            raise ValueError(Sentence("there are too many options, or too long ones"))
        return texts

    @model_validator(mode="after")
    def _of_text(self) -> SampleRequest:
        """Strings from elsewhere may hold lone surrogates, which no query string can."""
        try:
            self.canonical()
        except UnicodeEncodeError:
            raise ValueError(Sentence("a value holds letters that are not Unicode text")) from None
        return self

    def canonical(self) -> str:
        """The request as a query string, with keys in a fixed order and without fields that have their default."""
        return urlencode(self.model_dump(exclude_defaults=True, exclude={"options"}) | self.options)

    @classmethod
    def from_canonical(cls, text: str) -> SampleRequest:
        """The inverse of `canonical`. Raises AIGCError for values out of range."""
        pairs = dict(parse_qsl(text.lstrip("?"), keep_blank_values=True))
        fields = {name: pairs.pop(name) for name in cls.model_fields if name in pairs and name != "options"}
        return parse_config(cls, fields | {"options": pairs}, REQUEST)

    def with_options(self, *options: Mapping[str, object] | SamplerOptions | LatentEdits) -> SampleRequest:
        """A copy with these options in place of its own; defaults are left out."""
        chosen: dict[str, object] = {}
        for part in options:
            if isinstance(part, LatentEdits):
                chosen |= part.as_options()
            else:
                chosen |= part.model_dump(exclude_defaults=True) if isinstance(part, SamplerOptions) else part
        return self.model_copy(update={"options": self._as_text(chosen)})

    def prompt_of(self, model: Model) -> str:
        """The prompt, or "" without one. Raises AIGCError for a prompt to a model that takes none."""
        if self.prompt and Capability.PROMPT not in model.capabilities:
            raise AIGCError("This model takes no prompt.")
        return self.prompt

    def options_of(self, model: Model) -> SamplerOptions:
        """The sampling options of the model's family. Raises AIGCError for unknown ones and for wrong values."""
        own = {name: value for name, value in self.options.items() if not LatentEdits.is_edit(name)}
        return parse_config(model.options_type, own, REQUEST)

    def edits_of(self, model: Model) -> LatentEdits:
        """The edits of latents. Raises AIGCError for a wrong value, and for edits of a model without latents."""
        edits = LatentEdits.of_options(self.options)
        if edits != LatentEdits():
            latent_model(model)
        return edits

    def normalised(self, model: Model) -> SampleRequest:
        """A copy without options that are the model's defaults.

        Raises AIGCError as `prompt_of`, `options_of` and `edits_of` do.
        """
        self.prompt_of(model)
        return self.with_options(self.options_of(model), self.edits_of(model))

    def seeds(self) -> list[int]:
        """The seed of each sample: `seed`, `seed` + 1, … (wrapping at 2³²)."""
        return [(self.seed + k) % (MAX_SEED + 1) for k in range(self.count)]

    def parts(self, size: int) -> Iterator[SampleRequest]:
        """Requests of at most `size` samples each that together make the same samples."""
        entries = split_entries(self.labels)
        for start in range(0, self.count, size):
            turn = start % len(entries)
            yield self.model_copy(
                update={
                    "seed": (self.seed + start) % (MAX_SEED + 1),
                    "count": min(size, self.count - start),
                    "labels": join_entries([*entries[turn:], *entries[:turn]]),
                }
            )

    def singles(self) -> list[SampleRequest]:
        """A request for each single sample; together they make the same samples."""
        entries = split_entries(self.labels)
        return [
            self.model_copy(update={"seed": seed, "count": 1, "labels": join_entries([entries[k % len(entries)]])})
            for k, seed in enumerate(self.seeds())
        ]

    def canonical_singles(self) -> list[str]:
        """`canonical` of each of `singles`, faster: what they share is encoded once."""
        checkpoint = urlencode({"checkpoint": self.checkpoint}) if self.checkpoint else ""
        shared: dict[str, object] = {"checkpoint": "", "seed": 0, "count": 1}
        others = [
            self.model_copy(update=shared | {"labels": join_entries([entry])}).canonical()
            for entry in split_entries(self.labels)[: self.count]
        ]
        return [
            "&".join(filter(None, (checkpoint, f"seed={seed}" if seed else "", others[k % len(others)])))
            for k, seed in enumerate(self.seeds())
        ]


def is_known(name: str) -> bool:
    """Whether a request may have a value of that name: a field, an edit, or an option of some family."""
    options = (families[family].options_type.model_fields for family in families)
    return name in SampleRequest.model_fields or LatentEdits.is_edit(name) or any(name in own for own in options)


def _text(value: object) -> str:
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
