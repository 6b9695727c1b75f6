"""Results of evaluations: figures with intervals under a protocol, stored in a checkpoint's `eval/`.

eval/PROTOCOL.json             a Result
eval/PROTOCOL-neighbours.png   the pictures of its `neighbours`, one row each: the sample, then the training images
                               nearest to it. It stays where it was made: `push` uploads no training images.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from aigc_core.access import SHIPPED
from aigc_core.checkpoint.config import SamplesSeen
from aigc_core.checkpoint.layout import RESULTS_FOLDER
from aigc_core.config import Config, read_config_file
from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import atomic_write
from aigc_core.metrics.catalogue import FIGURES
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.extractors import is_second_judge
from aigc_core.metrics.neighbours import MIN_IMAGES
from aigc_core.modalities.png import to_picture
from aigc_core.version import __version__

SAMPLING_SEED = 1_000_000
"""Where evaluation's seeds start, away from those people look at."""
TRIALS = "trials"
ENOUGH_IMAGES = 1000
"""With fewer real samples, figures have biases that their intervals do not cover."""
ENOUGH_TEXTS = 500
"""What no extractor sees has no such bias; with fewer samples its intervals are wide."""
FEW_SAMPLES = Sentence("With few samples intervals are wide, and few real ones bias FID upwards beyond its interval.")
NOT_MEASURED = Sentence("not measured: needs at least {count:,} samples")
NOT_KEPT = Sentence("The result is not kept: {error}")
VERSIONS = {
    "aigc_core": __version__,
    "torch": torch.__version__,
    "torch_fidelity": version("torch-fidelity"),
}
"""What a new result was computed with."""


class Protocol(Config):
    """What was compared with what, and how. Two results may be ranked only if their protocols' ids are equal.

    `num_reference`: the number of real samples. `resolution`, `channels`: the form that images were converted to;
    `modality`, `shape`: what samples are, unless they are images. `extractor`: empty if the samples themselves were
    compared. `seed`: of the first sample (without meaning for samples from a folder). `neighbourhood`,
    `density_neighbourhood`: k of precision and recall, and of density and coverage. `path_distance`: the distance that
    PPL measures steps by.
    """

    dataset: str
    dataset_hash: str
    split: str = "test"
    resolution: int = 0
    channels: int = 0
    extractor: str = ""
    extractor_hash: str = ""
    num_reference: int
    num_samples: int = Field(ge=MIN_IMAGES, le=1_000_000)
    seed: int = SAMPLING_SEED
    truncation: float = 1.0
    neighbourhood: int = 3
    density_neighbourhood: int = 5
    path_distance: str = "extractor features"
    modality: str = "image"
    shape: dict[str, Any] = {}

    @property
    def compared(self) -> Sentence:
        """What of the samples was compared with the real ones: features, or the samples themselves."""
        if self.extractor:
            return Sentence("features of {extractor}", extractor=self.extractor)
        return Sentence("compared as they are")

    @property
    def id(self) -> str:
        """10 hexadecimal digits of the protocol's content."""
        # Images were the only kind once, and their ids stay as they are.
        unsaid = {"modality", "shape"} if self.modality == "image" else set()
        content = self.model_dump(mode="json", exclude=unsaid)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


class ClassResult(Config):
    """One class: its `share` of the samples and `real_share` of the reference, if the extractor is a classifier.

    For class-conditional models also `fid`, of the samples of this class against the real ones, and
    `label_agreement`, the share of these samples that the classifier assigns to this class.
    """

    share: Estimate | None = None
    real_share: Estimate | None = None
    fid: Estimate | None = None
    label_agreement: Estimate | None = None


class Neighbour(Config):
    """A sample (`seed`, or its index in a folder) and the training image nearest to it in feature space.

    `score`: the distance over the mean distance to the 50 nearest training images; near 0 for a copy.
    `train_index` counts in the training split as it is stored.
    """

    seed: int
    train_index: int
    distance: float
    score: float


class Result(Config):
    """Figures with 95 % intervals, the protocol, and what they cost.

    `figures`: by the names of FIGURES, the requested ones that can be measured, within their range of possible values.
    `min_samples`: for each requested figure that was not measured for want of samples, how many it needs.
    `real_figures`: some figures as measured on as many real samples in place of the model's. `classes`: by the names of
    the reference's classes. `neighbours`: the samples that most resemble training images, worst first. `step` and
    `samples_seen`: of the checkpoint. `seconds`: the time of the evaluation; `seconds_per_sample`: the time to draw one
    sample on `device`, measured when its features went into the cache; None if unknown.
    """

    protocol: Protocol
    figures: dict[str, Estimate]
    real_figures: dict[str, Estimate] = {}
    min_samples: dict[str, int] = {}
    classes: dict[str, ClassResult] = {}
    neighbours: tuple[Neighbour, ...] = ()
    step: int = 0
    samples_seen: SamplesSeen = 0
    seconds: float = 0
    seconds_per_sample: float | None = None
    device: str = "cpu"
    versions: dict[str, str] = {}

    @field_validator("figures")
    @classmethod
    def _possible(cls, figures: dict[str, Estimate]) -> dict[str, Estimate]:
        """Earlier versions wrote intervals that reach beyond possible values."""
        return {
            name: figure.within(FIGURES[name].lowest, FIGURES[name].highest) if name in FIGURES else figure
            for name, figure in figures.items()
        }

    @property
    def caveats(self) -> dict[str, str]:
        """What to know of each of the figures: a sentence on its bias and range, by name."""
        return {name: FIGURES[name].caveat for name in self.figures if name in FIGURES}

    def not_measured(self, figures: Iterable[str]) -> list[Sentence]:
        """What each of these figures needs that was not measured; `evaluate` warns of memorisation."""
        sentences = []
        for name in figures:
            needs = Sentence(FIGURES[name].needs)
            if name in self.min_samples:
                needs = Sentence("at least {count:,} samples", count=self.min_samples[name])
            elif name in self.figures or name == "memorisation":
                continue
            title = Sentence(FIGURES[name].title)
            sentences.append(Sentence("{figure} was not measured; it needs {needs}.", figure=title, needs=needs))
        return sentences

    @property
    def has_enough_samples(self) -> bool:
        """Whether there are as many samples and real ones as figures of features without a large bias need."""
        if not self.protocol.extractor:
            return True
        return min(self.protocol.num_samples, self.protocol.num_reference) >= ENOUGH_IMAGES


def neighbours_path(result: Result, folder: Path) -> Path:
    """Where the pictures of a result's neighbours lie in a checkpoint's folder, if they were drawn."""
    return folder / RESULTS_FOLDER / f"{result.protocol.id}-neighbours.png"


def is_trial(protocol: Protocol, folder: Path) -> bool:
    """Whether a result of a model that ships is kept apart: one of few samples, as nobody measured it before."""
    few = protocol.num_samples < (ENOUGH_IMAGES if protocol.extractor else ENOUGH_TEXTS)
    measured = (folder / RESULTS_FOLDER / f"{protocol.id}.json").is_file()
    return few and not measured and folder.resolve().is_relative_to(SHIPPED)


def write_result(result: Result, folder: Path) -> Path:
    """Write a result into a checkpoint's `eval/`, or into `eval/trials/`, named by its protocol; returns the file."""
    kept_in = folder / RESULTS_FOLDER
    target = (kept_in / TRIALS if is_trial(result.protocol, folder) else kept_in) / f"{result.protocol.id}.json"
    text = json.dumps(result.model_dump(mode="json"), indent=2)
    lists_on_one_line = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found.group().split()), text)
    with atomic_write(target) as unfinished:
        unfinished.write_text(lists_on_one_line + "\n")
    return target


def keep_result(result: Result, folder: Path, neighbours: Tensor | None = None) -> None:
    """Write a result and the picture uint8 [C, H, W] of its neighbours; only warn if that fails."""
    try:
        write_result(result, folder)
        if neighbours is not None and not is_trial(result.protocol, folder):
            with atomic_write(neighbours_path(result, folder)) as unfinished:
                to_picture(neighbours).save(unfinished)
    except AIGCError as error:
        warnings.warn(Sentence(NOT_KEPT, error=error.sentence), stacklevel=3)


def read_results(folder: Path) -> list[Result]:
    """The results in `eval/` of a checkpoint: second judges last, and of each judge those of most samples first.

    Raises AIGCError for a damaged one.
    """
    return _read(folder / RESULTS_FOLDER)


def read_trials(folder: Path) -> list[Result]:
    """The same of the results of few samples of a model that ships, which are in no table and in no card."""
    return _read(folder / RESULTS_FOLDER / TRIALS)


def _read(folder: Path) -> list[Result]:
    paths = sorted(folder.glob("*.json"))
    results = [read_config_file(Result, path, Sentence("evaluate the checkpoint again")) for path in paths]
    return sorted(results, key=lambda each: (is_second_judge(each.protocol.extractor), -each.protocol.num_samples))


def precision_and_coverage(results: list[Result]) -> dict[str, str]:
    """Both as percentages, by name, of the first result that has them; empty without one."""
    names = ("precision", "coverage")
    measured = (result.figures for result in results if {*names} <= result.figures.keys())
    return next(({name: f"{figures[name].value:.0%}" for name in names} for figures in measured), {})
