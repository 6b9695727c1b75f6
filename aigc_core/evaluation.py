"""Protocol + checkpoint → Result, and the verdict between two results."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor

from . import __version__
from .checkpoint import RESULTS_FOLDER, Checkpoint, written_file
from .config import Config, read_config_file
from .data import ImageDataset, load_dataset
from .errors import AIGCError
from .metrics.extractors import Extractor, default_extractor, load_extractor
from .metrics.figures import Z_95, Figure, class_balance, measure
from .sampling import BATCH_SIZE, draw_latents, generate, to_uint8

DEFAULT_NUM_SAMPLES = 10_000
SAMPLING_SEED = 1_000_000
"""Where evaluation's seeds start, away from those people look at."""


@dataclass(frozen=True)
class FigureKind:
    """How a figure is shown and read."""

    title: str
    better: Literal["lower", "higher"]


FIGURES = {
    # The distance between the distributions of features (Heusel et al. 2017).
    "fid": FigureKind("FID", "lower"),
    # The squared kernel distance of features (Bińkowski et al. 2018).
    "kid": FigureKind("KID", "lower"),
    # How sure and how varied the predicted classes are (Salimans et al. 2016).
    "is": FigureKind("IS", "higher"),
    # The share of samples among the real images, and of real images among the samples (Kynkäänniemi et al. 2019).
    "precision": FigureKind("Precision", "higher"),
    "recall": FigureKind("Recall", "higher"),
    # The share of samples that the classifier sees as the class that was asked for.
    "label_agreement": FigureKind("Label agreement", "higher"),
}


class Protocol(Config):
    """What was measured against what. Two results may be ranked only when their protocols' ids are equal."""

    dataset: str
    dataset_hash: str
    split: str = "test"
    extractor: str
    extractor_hash: str
    num_samples: int = Field(ge=100, le=1_000_000)
    seed: int = SAMPLING_SEED
    truncation: float = 1.0
    neighbourhood: int = 3

    @property
    def id(self) -> str:
        """10 hexadecimal digits of the protocol's content."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:10]


class Result(Config):
    """Figures with 95 % intervals, the protocol, and what they cost.

    `class_shares`: for each class, the share of samples the extractor's classifier assigns to it.
    """

    protocol: Protocol
    figures: dict[str, Figure]
    class_shares: dict[str, Figure] = {}
    step: int = 0
    images_seen: int = 0
    seconds: float = 0
    device: str = "cpu"
    versions: dict[str, str] = {}


def evaluate(
    checkpoint: Checkpoint,
    *,
    dataset: str | None = None,
    split: str = "test",
    extractor: str | None = None,
    num_samples: int = DEFAULT_NUM_SAMPLES,
    progress: Callable[[float], None] = lambda share: None,
) -> Result:
    """Measure a checkpoint against a data set (by default the one it was trained on).

    `progress` is called with the share of samples drawn. Raises AIGCError when data or extractor cannot be had.
    """
    started = time.perf_counter()
    reference = load_dataset(dataset or checkpoint.config.dataset, split)
    features_of = load_extractor(extractor or default_extractor(reference.name))
    if reference.images.shape[1] != checkpoint.config.image_shape.channels:
        raise AIGCError(f"The checkpoint's images and those of '{reference.name}' differ in their channels.")
    protocol = Protocol(
        dataset=reference.name,
        dataset_hash=reference.content_hash(),
        split=split,
        extractor=features_of.name,
        extractor_hash=features_of.weights_hash,
        num_samples=num_samples,
    )
    real, _ = reference_features(reference, protocol.dataset_hash, features_of)
    features, logits, asked = _sample_features(checkpoint, features_of, num_samples, progress)
    figures = measure(features, logits, real, protocol.neighbourhood)
    conditional = checkpoint.config.image_shape.num_classes == logits.shape[1]
    if conditional:
        agreed = (logits.argmax(1) == asked.argmax(1)).float().mean().item()
        figures["label_agreement"] = Figure.of_share(agreed, num_samples)
    return Result(
        protocol=protocol,
        figures=figures,
        class_shares=class_balance(logits, reference.class_names),
        step=checkpoint.config.step,
        images_seen=checkpoint.config.images_seen,
        seconds=round(time.perf_counter() - started, 2),
        device=str(next(checkpoint.generator.parameters()).device),
        versions={"aigc_core": __version__, "torch": torch.__version__},
    )


@torch.inference_mode()
def _sample_features(
    checkpoint: Checkpoint, extractor: Extractor, num_samples: int, progress: Callable[[float], None]
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [N, F], logits [N, K] and the labels asked for [N, num_classes] of seeds from SAMPLING_SEED on."""
    device = next(checkpoint.generator.parameters()).device
    seeds = list(range(SAMPLING_SEED, SAMPLING_SEED + num_samples))
    latent_dim: int = checkpoint.generator.latent_dim  # type: ignore[assignment]
    latents, labels = draw_latents(seeds, latent_dim, checkpoint.config.image_shape.num_classes)
    features, logits = [], []
    batch_size = 4 * BATCH_SIZE
    for start in range(0, num_samples, batch_size):
        rows = slice(start, start + batch_size)
        images = generate(checkpoint.generator, latents[rows].to(device), labels[rows].to(device))
        batch_features, batch_logits = extractor.extract(to_uint8(images))
        features.append(batch_features)
        logits.append(batch_logits)
        progress(min(1.0, (start + batch_size) / num_samples))
    return torch.cat(features), torch.cat(logits), labels


def reference_features(reference: ImageDataset, dataset_hash: str, extractor: Extractor) -> tuple[Tensor, Tensor]:
    """Features [N, F] and logits [N, K] of a reference, kept in the cache by content of data and weights."""
    folder = Path(os.environ.get("AIGC_CACHE") or Path.home() / ".cache" / "aigc-studio") / "features"
    path = folder / f"{dataset_hash}-{extractor.weights_hash}.safetensors"
    if not path.is_file():
        features, logits = extractor.extract(reference.images)
        # Whoever comes second replaces the file by an equal one.
        with written_file(path) as unfinished:
            save_file({"features": features, "logits": logits}, unfinished)
    tensors = load_file(path)
    return tensors["features"], tensors["logits"]


def write_result(result: Result, folder: Path) -> Path:
    """Write a result into a checkpoint's `eval/`, named by its protocol; returns the file."""
    target = folder / RESULTS_FOLDER / f"{result.protocol.id}.json"
    with written_file(target) as unfinished:
        unfinished.write_text(json.dumps(result.model_dump(mode="json"), indent=2) + "\n")
    return target


def read_results(folder: Path) -> list[Result]:
    """The results in a checkpoint's `eval/`, in order of protocol. Raises AIGCError for a damaged one."""
    paths = sorted((folder / RESULTS_FOLDER).glob("*.json"))
    return [read_config_file(Result, path, "evaluate the checkpoint again") for path in paths]


@dataclass(frozen=True)
class Verdict:
    """How the first of two checkpoints stands to the second in one figure; `confidence` from 0.5 to 1."""

    outcome: Literal["better", "worse", "tie"]
    confidence: float
    sentence: str


def compare(first: Result, second: Result, figure: str = "fid") -> Verdict:
    """Is the difference in a figure real? A two-sided z-test at 5 % on the figures' sampling errors.

    Raises AIGCError when the protocols differ or a figure is missing.
    """
    if first.protocol.id != second.protocol.id:
        raise AIGCError(
            f"These results follow different protocols ({first.protocol.id} and {second.protocol.id}) and cannot be "
            "ranked; evaluate both in the same way."
        )
    if figure not in first.figures or figure not in second.figures:
        raise AIGCError(f"Both results need the figure '{figure}'.")
    a, b = first.figures[figure], second.figures[figure]
    deviation = math.hypot(a.standard_error, b.standard_error)
    difference = a.value - b.value
    z = difference / deviation if deviation else math.copysign(math.inf, difference) if difference else 0.0
    confidence = 0.5 * (1 + math.erf(abs(z) / math.sqrt(2)))
    kind = FIGURES[figure]
    values = f"{kind.title} {_with_error(a)} against {_with_error(b)}"
    if abs(z) < Z_95:
        return Verdict("tie", confidence, f"No difference can be told: {values}.")
    outcome = "better" if (z < 0) == (kind.better == "lower") else "worse"
    return Verdict(outcome, confidence, f"The first is {outcome}: {values} (confidence {confidence:.1%}).")


def _with_error(figure: Figure) -> str:
    return f"{figure.value:.4g} ± {figure.reach:.2g}"
