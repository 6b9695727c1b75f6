"""The contract of modalities: what a sample is, how it is stored, saved and shown, and how real ones are loaded.

Packages pass each other *stored* samples (images uint8 [N, C, H, W], sounds int16 [N, S], texts as tokens int64
[N, T]); models work in *model space* (`aigc_core.families.base`). A modality converts between the two.
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
    """A kind of sample in one particular shape: what `config.json` stores as `modality` and `shape`.

    `plural`: the word for several samples. `media`: how a page shows them: as pictures, as the words of `texts`, in a
    sound player, or as files to download. `has_pictures`: whether `pictures` is implemented. `is_played`: whether a
    sample unfolds in time and is listened to. `suffixes`: of the files with provenance that `write` makes. `archives`
    and `movies`: suffixes of files without provenance, for many samples as data (`write_archive`) and for a path from
    sample to sample (`write_movie`). `preview_file`: the file that shows a checkpoint's samples, `preview_rows` of each
    class or column. `hub_task`: the Hub's task for models of such samples
    (https://huggingface.co/docs/hub/models-tasks).
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
        """The suffix of the files that it writes unless told otherwise; one of `suffixes`."""
        return self.suffixes[0]

    @property
    def map_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of samples in model space if they are float maps in about [-1, 1]; None if they
        are tokens."""
        return None

    @classmethod
    def load(cls, data: str, settings: Mapping[str, Any], limit: int | None = None) -> tuple[Self, Dataset]:
        """The training split of a data set, a folder or a file, and the shape of its samples.

        `settings`: the part of the shape that the recipe fixes, such as a resolution; the rest follows from the data.
        `limit`: the most samples to load. Raises AIGCError if there is no such data or it does not fit.
        """
        raise NotImplementedError

    def load_split(self, data: str, split: str, limit: int | None = None) -> Dataset:
        """A split of a data set, folder or file, as samples of this shape. Raises AIGCError as `load` does."""
        raise NotImplementedError

    def encode_prompt(self, text: str) -> Tensor:
        """The beginning of a sample as tokens int64 [P], for a model that takes a prompt (`Capability.PROMPT`).

        Raises AIGCError for a prompt that no sample can begin with.
        """
        raise NotImplementedError

    def to_model(self, stored: Tensor) -> Tensor:
        """Stored samples [N, …] → model space, on the same device."""
        raise NotImplementedError

    def to_stored(self, generated: Tensor) -> Tensor:
        """Model space → stored samples [N, …], on the same device."""
        raise NotImplementedError

    def mirrored(self, samples: Tensor) -> Tensor:
        """Samples in model space [N, …], flipped horizontally. Raises AIGCError for a kind without left and right."""
        raise AIGCError("horizontal_flip is for images; {name} has no mirror image.", name=self.name)

    def has_collapsed(self, stored: Tensor) -> bool:
        """Whether stored samples [N, …] of different seeds are nearly identical."""
        raise NotImplementedError

    def warning(self, stored: Tensor) -> Sentence | None:
        """A sentence if stored samples [N, …] of different seeds show that something went wrong, else None."""
        return (
            Sentence("all samples look the same: the model has collapsed, or has hardly begun to learn.")
            if self.has_collapsed(stored)
            else None
        )

    def describe(self) -> str:
        """The shape in a few words, for users; a Sentence where it can be translated."""
        raise NotImplementedError

    def write(self, path: Path, stored: Tensor, statement: Statement, columns: int = 0) -> None:
        """Write stored samples [N, …] into one file that carries their provenance.

        `columns`: how many stand side by side in a grid, for kinds that have one; 0 leaves it to the modality.
        Raises AIGCError if the disk is full or not writable.
        """
        raise NotImplementedError

    def write_each(
        self, folder: Path, names: Sequence[str], stored: Tensor, statements: Sequence[Statement]
    ) -> list[Path]:
        """Write each of the stored samples [N, …] into a file of its own in an existing folder; returns the paths.

        `names`: the files' names, without the suffix. Raises AIGCError as `write` does.
        """
        paths = [folder / f"{name}{self.file_suffix}" for name in names]
        for row, (path, statement) in enumerate(zip(paths, statements, strict=True)):
            self.write(path, stored[row : row + 1], statement)
        return paths

    def check_fits(self, count: int) -> None:
        """Raise AIGCError if `count` samples are too many for one file of `write`."""

    def write_archive(self, path: Path, count: int, parts: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Write `count` samples as data into one file.

        `parts` yields them as they are drawn: stored samples [n, …] and class weights float32 [n, num_classes].
        Raises AIGCError if the disk is full or not writable.
        """
        raise NotImplementedError

    def write_movie(self, path: Path, frames: Iterable[Tensor]) -> None:
        """Write a file that shows stored samples […] one after another; `frames` yields them as they are drawn.

        Raises AIGCError if the disk is full or not writable, or a program that encodes movies is missing.
        """
        raise NotImplementedError

    def pictures(self, stored: Tensor) -> Tensor:
        """Small pictures uint8 [N, C, H, W], C = 1 or 3, of stored samples [N, …], if `has_pictures`."""
        raise NotImplementedError

    def read_preview(self, path: Path, count: int) -> Tensor:
        """The first stored samples [N, …] of a checkpoint's `preview_file`, at most `count`, if `has_pictures`.

        Raises AIGCError if it cannot be read.
        """
        raise NotImplementedError

    def attributes(self, stored: Tensor) -> dict[str, Tensor]:
        """What is measured of stored samples [N, …], by a name of `ATTRIBUTES`: float [N], NaN where it does not apply.

        Empty for a kind of which nothing is measured.
        """
        return {}

    def texts(self, stored: Tensor) -> list[str]:
        """The text of each stored sample [N, …], for kinds that are texts."""
        raise NotImplementedError

    @property
    def layout(self) -> Layout:
        """How a page sets its texts."""
        return "prose"

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """The text that each token adds; "" for the token that ends a text. For models that draw token by token."""
        raise NotImplementedError

    def ending(self, text: str, count: int) -> str:
        """The longest end of a text that has at most `count` tokens."""
        raise NotImplementedError

    def read_stored(self, path: Path) -> Tensor:
        """The content of a file as one stored sample [1, …], converted to this shape as far as it can be.

        Raises AIGCError if it cannot be read.
        """
        raise NotImplementedError

    @classmethod
    def read_provenance(cls, path: Path) -> Provenance:
        """The provenance that a file carries. Raises AIGCError if it carries none or cannot be read."""
        raise NotImplementedError

    def verify(self, path: Path, draw: Callable[[], Tensor], count: int) -> str:
        """A sentence that confirms that a file shows the `count` stored samples [N, …] that `draw` makes.

        Checks that need no samples come first. Raises AIGCError with how the file differs, if it does.
        """
        raise NotImplementedError


modalities: Registry[type[Modality]] = Registry("modality", "aigc_core.modalities")


def build_modality(name: str, shape: Mapping[str, Any]) -> Modality:
    """The modality of that name and shape. Raises AIGCError for an unknown name or a wrong shape."""
    return parse_config(modalities[name], dict(shape), Sentence("The shape of samples of the kind '{name}'", name=name))
