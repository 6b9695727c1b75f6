"""The registry of feature extractors: images → features and class logits.

Every module in this package registers its extractors when imported, so adding one is adding a file; code outside the
package calls `extractors.register` in the same way.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from aigc_core.batching import batch_size
from aigc_core.data.streaming import StreamedImages
from aigc_core.errors import AIGCError, Sentence
from aigc_core.registry import Registry

BATCH_SIZE = 250
GENERAL_EXTRACTOR = "cifar10-classifier"


@dataclass(frozen=True)
class Extractor:
    """`network(images)`: uint8 [N, channels, H, W] of any H and W → features float32 [N, F], logits float32 [N, K].

    K is 0 if it is not a classifier. `weights_hash` identifies the weights: figures with other weights are not
    comparable. `dataset`: the named data set whose classes the logits are for, if any.
    """

    name: str
    weights_hash: str
    network: nn.Module
    channels: int
    dataset: str = ""

    @torch.inference_mode()
    def extract(self, images: Tensor | StreamedImages) -> tuple[Tensor, Tensor]:
        """Features [N, F] and logits [N, K], on the CPU, of images uint8 [N, 1 or 3, H, W], computed on their device.

        Batches are as large as memory allows. Grey images are repeated for an extractor of colour. Raises AIGCError for
        colour images and a grey extractor.
        """
        first = images[torch.arange(1)]
        size = batch_size(
            self.network,
            lambda count: self.extract_batch(first.expand(count, -1, -1, -1)),
            min(BATCH_SIZE, len(images)),
            (first.shape, first.device),
        )
        features, logits = zip(*((part.cpu() for part in self.extract_batch(batch)) for batch in images.split(size)))
        return torch.cat(features), torch.cat(logits)

    def extract_batch(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The same of one batch, left on the device of the images."""
        if images.shape[1] > self.channels:
            raise AIGCError(
                "The extractor '{name}' reads grey images, and these have {channels} channels.",
                name=self.name,
                channels=images.shape[1],
            )
        if next(self.network.parameters()).device != images.device:
            self.network.to(images.device)
        return self.network(images.expand(-1, self.channels, -1, -1))


ExtractorLoader = Callable[[Path | None], Extractor]
"""Takes a file of weights, or None for the extractor's own."""

extractors: Registry[ExtractorLoader] = Registry("extractor", __name__)

_second_judges: dict[str, list[str]] = {}


def register_second_judge(dataset: str, name: str, load: ExtractorLoader) -> None:
    """Register a second judge: an extractor that also measures a data set's models whenever the default one does."""
    extractors.register(name, load)
    names = _second_judges.setdefault(dataset, [])
    if name not in names:
        names.append(name)


def extractor_names() -> list[str]:
    """The names of all extractors, sorted."""
    return list(extractors)


def own_extractor(dataset: str) -> str | None:
    """The extractor that was trained on a data set; None if there is none."""
    name = f"{dataset}-classifier"
    return name if name in extractors else None


def default_extractor(dataset: str) -> str:
    """The extractor made for a data set; without one, the shipped extractor for photographs, with a warning."""
    if own := own_extractor(dataset):
        return own
    warnings.warn(
        Sentence(
            "No extractor was trained on '{dataset}', so {extractor} is used, which needs no network; papers report "
            "figures of inception-v3-compat (--extractor).",
            dataset=dataset,
            extractor=GENERAL_EXTRACTOR,
        ),
        stacklevel=3,
    )
    return GENERAL_EXTRACTOR


def judges(dataset: str) -> list[str]:
    """The extractors that measure a data set's models by default: the one made for it, then second judges.

    Models may be tuned on the figures of the first; the others only report, and show whether an improvement on the
    first is more than an adaptation to it.
    """
    return [default_extractor(dataset), *_second_judges.get(dataset, [])]


def is_second_judge(name: str) -> bool:
    """Whether an extractor is a second judge, which only reports."""
    return name in extractors and any(name in others for others in _second_judges.values())


def load_extractor(name: str, weights: Path | None = None) -> Extractor:
    """The extractor of that name, with its own weights or those of a file.

    Raises AIGCError for an unknown name, and if the weights are unavailable or do not fit.
    """
    load = extractors[name]
    if weights is not None and not weights.is_file():
        raise AIGCError("There is no file '{weights}' with weights for '{name}'.", weights=weights, name=name)
    return load(weights)


def hash_of_weights(path: Path) -> str:
    """16 hexadecimal digits of a file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:16]
