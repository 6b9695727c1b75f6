"""Checkpoint folders ⇄ objects: a folder is a Hub repository, byte for byte.

    config.json         what the model is and how it was made
    model.safetensors   the generator's averaged (EMA) weights
    samples.png         a grid of samples
    eval/*.json         results of evaluations
    directions.safetensors   found latent directions, once computed
    README.md           the model card
    training_state/     what `--resume` needs; stays on the machine it was made on

A training run is a folder of such folders, `step-0001000`, `step-0002000`, …, and a shipped model may carry its
earlier steps in the same way. `FOLDER@step-0001000` names one of them, `FOLDER` the final one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import torch
from pydantic import Field, field_validator, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from aigc_core import __version__
from aigc_core.config import Config, parse_config, read_config_file
from aigc_core.errors import AIGCError
from aigc_core.families.gan.networks import ImageShape, build_generator
from aigc_core.files import atomic_directory

from .layout import (  # noqa: F401  (also for those who import the names from here)
    CARD_FILE,
    CONFIG_FILE,
    DIRECTIONS_FILE,
    MAX_CONFIG_BYTES,
    RESULTS_FOLDER,
    SAMPLES_FILE,
    TRAINING_STATE_FOLDER,
    WEIGHTS_FILE,
)
from .reference import MAIN, CheckpointReference, repo_name, step_number

if TYPE_CHECKING:
    from aigc_core.sampling.sample import Samples

MAX_PARAMETERS = 1_000_000_000
PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt"}


class CheckpointConfig(Config):
    """What `config.json` holds.

    `class_shares`: how often each class occurs in the training data, empty where all occur alike. `dataset` is the name
    of a registered data set, or of a folder on the machine of whoever trained the model; `data_hash` is the hash of its
    content as it was trained on (`ImageDataset.content_hash`), empty in checkpoints from before there was one. `recipe`
    is the training configuration as it was used, `images_seen` counts real images shown to the training method, `step`
    its steps, `parent` names the checkpoint or commit training started from.
    """

    format_version: int = Field(default=1, ge=1, le=1)
    family: str = "gan"
    architecture: str
    architecture_config: dict[str, Any] = {}
    image_shape: ImageShape
    class_names: tuple[str, ...] = ()
    class_shares: tuple[float, ...] = ()
    dataset: str
    data_hash: str = Field(default="", pattern="^([0-9a-f]{16})?$")
    data_licence: str = ""
    recipe: dict[str, Any] = {}
    step: int = Field(default=0, ge=0)
    images_seen: int = Field(default=0, ge=0)
    training_seconds: float = Field(default=0, ge=0)
    library_version: str = __version__
    parent: str | None = None

    @field_validator("class_names")
    @classmethod
    def _bounded_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(name) > 200 for name in names):
            raise ValueError("a class name is longer than 200 characters")
        return tuple(normalize("NFC", name) for name in names)

    @model_validator(mode="after")
    def _shares_of_the_whole(self) -> CheckpointConfig:
        shares = self.class_shares
        if shares and not (
            len(shares) == self.image_shape.num_classes and min(shares) >= 0 and abs(sum(shares) - 1) < 1e-3
        ):
            raise ValueError("class_shares must be one share a class, 1 in all")
        return self

    def published(self) -> CheckpointConfig:
        """The same for others' eyes: of this machine's folders, of the data and of the parent, only the names."""
        from aigc_core.data.datasets import public_name

        def parent_name(text: str) -> str:
            reference = CheckpointReference.parse(text)
            return text if repo_name.fullmatch(reference.location) else str(replace(reference, location=reference.name))

        kept = {"data": public_name, "parent": parent_name}
        recipe = {name: kept[name](str(value)) if name in kept else value for name, value in self.recipe.items()}
        parent = self.parent and parent_name(self.parent)
        return self.model_copy(update={"dataset": public_name(self.dataset), "recipe": recipe, "parent": parent})

    def as_json(self) -> str:
        """The text of `config.json`, in ASCII. Raises AIGCError if it is larger than what is opened."""
        text = json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
        if len(text) > MAX_CONFIG_BYTES:
            raise AIGCError(
                f"{CONFIG_FILE} would be {len(text):,} bytes long, and at most {MAX_CONFIG_BYTES:,} are opened: there "
                f"are {len(self.class_names):,} class names; shorten them, or do without by --set conditional=false."
            )
        return text

    def class_name(self, label: int) -> str:
        """The name of a class, or its number where the data set names none."""
        return self.class_names[label] if label < len(self.class_names) else str(label)


@dataclass
class Checkpoint:
    """A generator in eval mode with its config.

    `path` is the folder it was read from, if any, and `reference` the name it was asked for by.
    """

    config: CheckpointConfig
    generator: nn.Module
    path: Path | None = None
    reference: str = ""

    @classmethod
    def from_pretrained(cls, reference: str | Path, *, token: str | None = None, device: str = "cpu") -> Checkpoint:
        """Load from a local folder, `owner/name` or `owner/name@revision` on the Hub.

        Nothing read is trusted: the config is validated, the network's shape is compared with the header of the
        weights before memory is allocated, and weights must be finite. Raises AIGCError otherwise.
        """
        folder = resolve_reference(reference, token=token)
        config = read_config(folder)
        generator = _load_generator(config, folder / WEIGHTS_FILE).to(device).eval().requires_grad_(False)
        return cls(config, generator, folder, str(reference))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config and weights to `folder`, which appears complete or not at all. Returns the folder."""
        folder = Path(folder)
        with atomic_directory(folder) as unfinished:
            self.write_files(unfinished)
        self.path = folder
        return folder

    def write_files(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` into an existing folder."""
        (folder / CONFIG_FILE).write_text(self.config.as_json())
        save_file(self._weights(), folder / WEIGHTS_FILE, metadata={"format": "pt"})

    @cached_property
    def weights_sha256(self) -> str:
        """What identifies the weights: the SHA-256 of `model.safetensors` in hexadecimal, as the Hub shows it."""
        written = (self.path / WEIGHTS_FILE).read_bytes() if self.path else save(self._weights(), {"format": "pt"})
        return hashlib.sha256(written).hexdigest()

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().contiguous() for name, tensor in self.generator.state_dict().items()}

    def push_to_hub(self, repo_id: str, *, revision: str | None = None, private: bool = False) -> str:
        """Upload the folder this checkpoint lies in, in one commit. Returns the commit's address."""
        from aigc_core.hub.client import push

        if self.path is None:
            raise AIGCError("This checkpoint is in no folder yet; call save_pretrained first.")
        return push(self.path, repo_id, revision=revision, private=private)

    def sample(self, **request: Any) -> Samples:
        """Samples for the fields of a SampleRequest: `checkpoint.sample(seed=7, count=16)`."""
        from aigc_core.sampling.sample import SampleRequest, sample

        return sample(self, parse_config(SampleRequest, {"checkpoint": self.reference} | request, "Sample request"))


def resolve_reference(reference: str | Path | CheckpointReference, *, token: str | None = None) -> Path:
    """The local folder of a reference: a folder, a folder@revision, or a Hub id (pulled if need be).

    A folder of steps stands for its newest one. Raises AIGCError if there is no such checkpoint.
    """
    if not isinstance(reference, CheckpointReference):
        reference = CheckpointReference.parse(str(reference).strip())
    if folder := reference.folder:
        if reference.revision not in ("", MAIN):
            return _step_folder(folder, reference.revision)
        steps = [] if (folder / CONFIG_FILE).exists() else step_folders(folder)
        return steps[-1] if steps else folder
    if reference.is_on_hub:
        from aigc_core.hub.client import pull

        return pull(reference.location, revision=reference.revision or None, token=token)
    raise _missing(reference)


def _step_folder(folder: Path, revision: str) -> Path:
    if step_number(revision) is not None and (folder / revision).is_dir():
        return folder / revision
    known = ", ".join(path.name for path in step_folders(folder)) or "none"
    raise AIGCError(
        "'{name}' has no revision '{revision}'; it has {known}.", name=folder, revision=revision[:100], known=known
    )


def _missing(reference: CheckpointReference) -> AIGCError:
    """What to say of a reference that leads to no folder: that a file is there, or the names of checkpoints near it."""
    path, name = Path(reference.location), str(reference)[:200]
    try:
        if path.expanduser().is_file():
            return AIGCError(f"'{name}' is a file; a checkpoint is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}.")
        beside = [folder for folder in path.expanduser().parent.iterdir() if folder.is_dir()]
        known = {folder.name for folder in beside if (folder / CONFIG_FILE).is_file() or step_folders(folder)}
    except (OSError, ValueError, RuntimeError):  # the folder around it is missing, too, or cannot be read
        known = set()
    if near := difflib.get_close_matches(path.name, sorted(known)):
        named = [f"'{replace(reference, location=str(path.with_name(one)))}'" for one in near]
        return AIGCError("There is no folder '{name}' here; near it are {near}.", name=name, near=", ".join(named))
    return AIGCError("There is no folder '{name}' here; name a checkpoint's, or owner/name on the Hub.", name=name)


def step_folders(folder: Path) -> list[Path]:
    """The complete checkpoints `step-…` inside a folder, oldest first."""
    numbered = [
        (number, path)
        for path in folder.iterdir()
        if (number := step_number(path.name)) is not None and (path / CONFIG_FILE).is_file()
    ]
    return [path for _, path in sorted(numbered)]


def read_config(folder: Path) -> CheckpointConfig:
    """Read and validate `config.json`. Raises AIGCError if it is missing, unreadable or wrong."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        pickles = [p.name for p in sorted(folder.iterdir()) if p.suffix in PICKLE_SUFFIXES]
        if pickles:
            raise AIGCError(
                f"'{folder}' holds {pickles[0]}, a pickle, which can run code when opened and is never read here; "
                f"a checkpoint has {CONFIG_FILE} and {WEIGHTS_FILE}."
            )
        raise AIGCError("'{name}' is not a checkpoint of AIGC Studio: it has no {file}.", name=folder, file=CONFIG_FILE)
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise AIGCError(f"'{path}' is too large to be a checkpoint's config.")
    return read_config_file(CheckpointConfig, path, "fetch the checkpoint again")


def _load_generator(config: CheckpointConfig, weights: Path) -> nn.Module:
    if not weights.is_file():
        raise AIGCError(f"'{weights.parent}' is not a complete checkpoint: {WEIGHTS_FILE} is missing.")
    try:
        with torch.device("meta"):
            generator = build_generator(config.architecture, config.architecture_config, config.image_shape)
    except RuntimeError as error:
        raise AIGCError(f"'{weights.parent}' describes a network that cannot be built: {error}.") from None
    expected = generator.state_dict()
    if sum(tensor.numel() for tensor in expected.values()) > MAX_PARAMETERS:
        raise AIGCError(f"'{weights.parent}' describes a network of over {MAX_PARAMETERS:,} parameters; refused.")
    try:
        with safe_open(weights, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        _compare(weights, shapes, {name: tuple(tensor.shape) for name, tensor in expected.items()})
        tensors = load_file(weights)
        types = {name: tensor.dtype for name, tensor in tensors.items()}
        _compare(weights, types, {name: tensor.dtype for name, tensor in expected.items()})
    except SafetensorError as error:
        raise AIGCError(f"'{weights}' is damaged or not a safetensors file ({error}); fetch it again.") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise AIGCError(f"'{weights}' has values that are not finite (tensor '{name}'): training had diverged.")
    generator.load_state_dict(tensors, assign=True)
    return generator


def _compare(weights: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise AIGCError, naming a tensor, unless shapes or types found in the file are those of the network."""
    for name in sorted(set(found) | set(expected)):
        if found.get(name) != expected.get(name):
            raise AIGCError(
                f"'{weights}' does not fit its config: tensor '{name}' is {found.get(name, 'missing')} in the file "
                f"and {expected.get(name, 'absent')} in the network."
            )
