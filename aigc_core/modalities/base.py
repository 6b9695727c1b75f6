"""The contract of modalities: what a sample is, how it is stored, filed and shown, and where real ones come from.

Between the packages samples are *stored* tensors (uint8 [N, C, H, W] of images, tokens int64 [N, T] of text …); models
work in *model space* (`aigc_core.families.base`). A modality leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from torch import Tensor

from aigc_core.config import Config, parse_config
from aigc_core.data.dataset import Dataset
from aigc_core.errors import AIGCError, Sentence
from aigc_core.registry import Registry

from .provenance import Provenance, Statement

Media = Literal["image", "text", "audio", "file"]
Layout = Literal["prose", "verse", "code"]


class Modality(Config):
    """One shape of one kind of sample: what `config.json` keeps as `modality` and `shape`.

    `plural`: what several samples are called. `media`: how a page shows them: pictures from image files, words that
    `texts` gives, a player of sound files, or files to download. `has_pictures`: whether `pictures` shows what a sample
    is or sounds like. `is_played`: whether a sample takes its time, and is heard rather than looked at. `suffixes`: of
    the files it may write that say by what request they were made. `archives` and `movies`: of those for many samples
    as data (`write_archive`) and for a way from sample to sample (`write_movie`), which do not say it. `preview_file`:
    what a checkpoint keeps to show itself by, `preview_rows` samples of each class or column. `hub_task`: the Hub's
    task for models of such samples (https://huggingface.co/docs/hub/models-tasks).
    """

    name: ClassVar[str]
    plural: ClassVar[str]
    media: ClassVar[Media] = "file"
    has_pictures: ClassVar[bool] = False
    is_played: ClassVar[bool] = False
    hub_task: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    archives: ClassVar[tuple[str, ...]] = ()
    movies: ClassVar[tuple[str, ...]] = ()
    preview_file: ClassVar[str]
    preview_rows: ClassVar[int] = 8

    @property
    def file_suffix(self) -> str:
        """That of the files it writes, one of `suffixes`."""
        return self.suffixes[0]

    @property
    def map_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of samples in model space, where these are float maps in about [-1, 1]; None where
        they are tokens."""
        return None

    @classmethod
    def load(cls, data: str, settings: Mapping[str, Any], limit: int | None = None) -> tuple[Self, Dataset]:
        """The training split of a data set, a folder or a file, and the shape of its samples.

        `settings`: what the recipe says of the shape, such as a resolution; what it leaves open the data decide.
        Raises AIGCError where there is no such data, or it does not fit.
        """
        raise NotImplementedError

    def load_split(self, data: str, split: str, limit: int | None = None) -> Dataset:
        """A split of a data set, or a folder or a file, as samples of this shape. Raises AIGCError as `load` does."""
        raise NotImplementedError

    def encode_prompt(self, text: str) -> Tensor:
        """The beginning of a sample as tokens int64 [P], for a model that takes a prompt (`Capability.PROMPT`).

        Raises AIGCError where no sample begins like this.
        """
        raise NotImplementedError

    def to_model(self, stored: Tensor) -> Tensor:
        """Stored samples [N, …] → model space, on the same device."""
        raise NotImplementedError

    def to_stored(self, generated: Tensor) -> Tensor:
        """Model space → stored samples [N, …], on the same device."""
        raise NotImplementedError

    def mirrored(self, samples: Tensor) -> Tensor:
        """Samples in model space [N, …] seen in a mirror. Raises AIGCError where that makes no sense."""
        raise AIGCError("horizontal_flip is for images; {name} has no mirror image.", name=self.name)

    def has_collapsed(self, stored: Tensor) -> bool:
        """Whether different seeds gave all but the same samples [N, …]."""
        raise NotImplementedError

    def warning(self, stored: Tensor) -> Sentence | None:
        """What to say where samples [N, …] of different seeds show that something went wrong."""
        return Sentence("all samples look the same: the model has collapsed.") if self.has_collapsed(stored) else None

    def describe(self) -> str:
        """The shape in a few words, for people."""
        raise NotImplementedError

    def write(self, path: Path, stored: Tensor, statement: Statement, columns: int = 0) -> None:
        """One file of samples [N, …] that carries where they come from.

        `columns`: how many stand side by side, where the kind can be laid out so; 0 leaves it to the modality.
        Raises AIGCError when the disk is full or not writable.
        """
        raise NotImplementedError

    def write_each(
        self, folder: Path, names: Sequence[str], stored: Tensor, statements: Sequence[Statement]
    ) -> list[Path]:
        """One file for each of the samples [N, …] in an existing folder, as `write` does; their paths.

        `names`: without the suffix. Raises AIGCError when the disk is full or not writable.
        """
        paths = [folder / f"{name}{self.file_suffix}" for name in names]
        for row, (path, statement) in enumerate(zip(paths, statements, strict=True)):
            self.write(path, stored[row : row + 1], statement)
        return paths

    def check_fits(self, count: int) -> None:
        """Raise AIGCError where so many samples do not go into one file of `write`."""

    def write_archive(self, path: Path, count: int, parts: Iterable[tuple[Tensor, Tensor]]) -> None:
        """One file of `count` samples, given as parts that are drawn as they are written: stored samples [n, …] and
        class weights float32 [n, num_classes].

        Raises AIGCError when the disk is full or not writable.
        """
        raise NotImplementedError

    def write_movie(self, path: Path, frames: Iterable[Tensor]) -> None:
        """A file that shows stored samples […] one after another, each drawn as it is written.

        Raises AIGCError when the disk is full or not writable, or a program is missing.
        """
        raise NotImplementedError

    def pictures(self, stored: Tensor) -> Tensor:
        """Small pictures uint8 [N, C, H, W], grey or in colour, of samples [N, …], where the kind has some."""
        raise NotImplementedError

    def texts(self, stored: Tensor) -> list[str]:
        """What each of the samples [N, …] says, where they are texts."""
        raise NotImplementedError

    @property
    def layout(self) -> Layout:
        """How a page sets texts."""
        return "prose"

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """What each token of a text adds to it, the end nothing; for models that draw token by token."""
        raise NotImplementedError

    def ending(self, text: str, count: int) -> str:
        """The end of a text that has at most `count` tokens."""
        raise NotImplementedError

    def read_stored(self, path: Path) -> Tensor:
        """What a file holds as one stored sample [1, …], as far as this kind of samples can say it.

        Raises AIGCError where it cannot be read.
        """
        raise NotImplementedError

    @classmethod
    def read_provenance(cls, path: Path) -> Provenance:
        """What a file says of itself. Raises AIGCError where it says nothing, or cannot be read."""
        raise NotImplementedError

    def verify(self, path: Path, draw: Callable[[], Tensor], count: int) -> str:
        """A sentence that a file shows the `count` samples [N, …] that `draw` makes.

        What can be told without them is told first. Raises AIGCError, saying how the file differs.
        """
        raise NotImplementedError


modalities: Registry[type[Modality]] = Registry("modality", "aigc_core.modalities")


def build_modality(name: str, shape: Mapping[str, Any]) -> Modality:
    """The modality of that name and shape. Raises AIGCError if there is none, or the shape is wrong."""
    return parse_config(modalities[name], dict(shape), f"The shape of {name}")
