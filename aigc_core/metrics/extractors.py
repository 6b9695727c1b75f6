"""Feature extractors by name: images → features and class logits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import AIGCError
from .classifier import WEIGHTS_FOLDER, Classifier


@dataclass(frozen=True)
class Extractor:
    """`extract(images)`: uint8 [N, C, H, W] → features float32 [N, F], logits float32 [N, K], on the CPU.

    `weights_hash` identifies the weights: figures made with other weights are other figures.
    """

    name: str
    weights_hash: str
    extract: Callable[[Tensor], tuple[Tensor, Tensor]]


def extractor_names() -> list[str]:
    """The extractors there are, sorted."""
    return sorted(f"{path.stem}-classifier" for path in WEIGHTS_FOLDER.glob("*.safetensors"))


def default_extractor(dataset: str) -> str:
    """The extractor made for a data set. Raises AIGCError if there is none."""
    name = f"{dataset}-classifier"
    if name not in extractor_names():
        raise AIGCError(
            f"No extractor was trained on '{dataset}'; choose one with --extractor: {', '.join(extractor_names())}."
        )
    return name


def load_extractor(name: str) -> Extractor:
    """The extractor of that name. Raises AIGCError, naming those there are, if there is none."""
    if name not in extractor_names():
        raise AIGCError(f"There is no extractor '{name}'; there are {', '.join(extractor_names())}.")
    weights = WEIGHTS_FOLDER / f"{name.removesuffix('-classifier')}.safetensors"
    card = json.loads(weights.with_suffix(".json").read_text())
    classifier = Classifier(card["channels"], card["num_classes"]).eval()
    classifier.load_state_dict(load_file(weights))

    @torch.inference_mode()
    def extract(images: Tensor) -> tuple[Tensor, Tensor]:
        if images.shape[1] != card["channels"]:
            raise AIGCError(
                f"The extractor '{name}' reads images of {card['channels']} channels, not {images.shape[1]}."
            )
        batches = [classifier(batch.cpu()) for batch in images.split(500)]
        return torch.cat([features for features, _ in batches]), torch.cat([logits for _, logits in batches])

    return Extractor(name, hashlib.sha256(weights.read_bytes()).hexdigest()[:16], extract)
