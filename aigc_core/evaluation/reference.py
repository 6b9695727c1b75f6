"""References: the real images that samples are measured against, as an extractor sees them.

The cache holds features and what is computed from them, under the hashes of the images and of the extractor's weights.
Files are written atomically: if two processes compute the same, the second replaces the file by an equal one. The cache
may be deleted at any time.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from aigc_core.config import parse_config
from aigc_core.data.dataset import PATIENCE_SECONDS
from aigc_core.data.datasets import ImageDataset, load_dataset, public_name, splits_of
from aigc_core.data.streaming import StreamedImages
from aigc_core.errors import AIGCError, Sentence
from aigc_core.files import atomic_write, cache_folder
from aigc_core.metrics.extractors import Extractor
from aigc_core.metrics.feature_likelihood import CENTRES, baseline_losses
from aigc_core.metrics.fid import Moments
from aigc_core.metrics.kid import pairs_among_real
from aigc_core.metrics.memorisation import AUDITED, Resemblance, resemblance
from aigc_core.metrics.neighbours import MIN_IMAGES, radii
from aigc_core.modalities.as_images import load_as_images
from aigc_core.modalities.base import Modality
from aigc_core.modalities.image import ImageModality

from .results import Protocol

CHUNK = 1000
"""The number of images whose features are cached as one file; an interrupted extraction resumes after the last one."""
MAX_BYTES = 256 * 2**20
"""Sets with more bytes of pixels are read and converted batch by batch."""
NEIGHBOURHOOD = 3
DENSITY_NEIGHBOURHOOD = 5


def kept(name: str, compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors in the cache under `name`, computed first if they are missing or damaged.

    Warns if the cache cannot be written to.
    """
    folder = cache_folder("features")
    path = folder / f"{name}.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        tensors = {key: tensor.contiguous() for key, tensor in compute().items()}
    try:
        with atomic_write(path) as unfinished:
            save_file(tensors, unfinished)
    except AIGCError as error:
        reason = error.sentence.values["reason"]
        warnings.warn(
            Sentence(
                "The cache '{folder}' cannot be written to ({reason}): what was computed is not kept for the next "
                "evaluation.",
                folder=folder,
                reason=reason,
            ),
            stacklevel=2,
        )
    return tensors


def split_reference(text: str) -> tuple[str, str]:
    """DATASET, DATASET:SPLIT or a folder → data set and split; test, where there is one and none is named."""
    dataset, _, split = text.rpartition(":")
    if dataset and split in ("train", "test") and not os.path.isdir(text):
        return dataset, split
    return text, splits_of(text)[-1]


def load_measured(
    name: str, split: str, resolution: int | None, channels: int | None, limit: int | None = None
) -> ImageDataset:
    """Data to extract features of: no more than 256 MiB of pixels in memory, and no file that cannot be read."""
    return load_dataset(
        name, split, resolution=resolution, channels=channels, limit=limit, max_bytes=MAX_BYTES, check=True
    )


def load_seen(kind: Modality, name: str, split: str, limit: int | None = None) -> ImageDataset:
    """Real data of the kind and shape of samples, as extractors see them. Raises AIGCError if there are none."""
    if isinstance(kind, ImageModality):
        return load_measured(name, split, kind.resolution, kind.channels, limit)
    return load_as_images(kind, name, split, limit)


@dataclass(frozen=True)
class Reference:
    """A data set with an extractor; loaded, hashed and measured once for all checkpoints that are compared with it."""

    data: ImageDataset
    split: str
    extractor: Extractor

    @classmethod
    def load(cls, text: str, extractor: Extractor, resolution: int | None, channels: int | None) -> Reference:
        """DATASET, DATASET:SPLIT or a folder, converted to the size and channels of the samples.

        None keeps those of a named set. Raises AIGCError if there is no such data.
        """
        dataset, split = split_reference(text)
        return cls(load_measured(dataset, split, resolution, channels), split, extractor)

    @property
    def content_hash(self) -> str:
        """16 hexadecimal digits that change with any pixel or label."""
        return self.data.content_hash()

    def protocol(self, num_samples: int, modality: Modality | None = None) -> Protocol:
        """Under which `num_samples` samples are measured against it; `modality`: None for images of a folder.

        Raises AIGCError for too few or too many samples, and for too few real ones.
        """
        for count, what in ((num_samples, Sentence("samples")), (len(self.data), Sentence("real samples"))):
            if count < MIN_IMAGES:
                raise AIGCError(
                    "An evaluation needs {minimum} {what} at least, better thousands, not {count}.",
                    minimum=MIN_IMAGES,
                    what=what,
                    count=count,
                )
        values = {
            "dataset": public_name(self.data.name),
            "dataset_hash": self.content_hash,
            "split": self.split,
            "resolution": self.data.images.shape[2],
            "channels": self.data.images.shape[1],
            "num_reference": len(self.data),
            "extractor": self.extractor.name,
            "extractor_hash": self.extractor.weights_hash,
            "num_samples": num_samples,
            "neighbourhood": NEIGHBOURHOOD,
            "density_neighbourhood": DENSITY_NEIGHBOURHOOD,
        }
        if modality is not None and not isinstance(modality, ImageModality):
            values |= {"modality": modality.name, "shape": modality.model_dump(mode="json")}
        return parse_config(Protocol, values, Sentence("Evaluation"))

    @property
    def is_classified(self) -> bool:
        """Whether the extractor's logits are those of the data's classes."""
        return self.extractor.dataset == self.data.name

    @property
    def _key(self) -> str:
        return f"{self.content_hash}-{self.extractor.name}-{self.extractor.weights_hash}"

    @cached_property
    def _extracted(self) -> dict[str, Tensor]:
        count, chunks = len(self.data), []
        name = f"features of {self.data.name}"
        with tqdm(total=count, desc=name, unit=" images", leave=False, delay=PATIENCE_SECONDS) as bar:
            for start in range(0, count, CHUNK):
                images = self.data.part(start, min(start + CHUNK, count))

                def extract(images: Tensor | StreamedImages = images) -> dict[str, Tensor]:
                    return dict(zip(("features", "logits"), self.extractor.extract(images)))

                chunks.append(kept(f"{self._key}/{start}", extract))
                bar.update(len(images))
        return {name: torch.cat([chunk[name] for chunk in chunks]) for name in ("features", "logits")}

    @property
    def features(self) -> Tensor:
        """The features of the real images, float32 [M, F]."""
        return self._extracted["features"]

    @property
    def logits(self) -> Tensor:
        """The logits of the real images, float32 [M, K]; K is 0 for an extractor that is not a classifier."""
        return self._extracted["logits"]

    @cached_property
    def _moments(self) -> dict[str, Tensor]:
        def compute() -> dict[str, Tensor]:
            moments = Moments.of(self.features)
            return {"mean": torch.from_numpy(moments.mean), "covariance": torch.from_numpy(moments.covariance)}

        return kept(f"{self._key}-moments", compute)

    @property
    def moments(self) -> Moments:
        """Mean and covariance of the features."""
        return Moments(self._moments["mean"].numpy(), self._moments["covariance"].numpy())

    @cached_property
    def radii(self) -> Tensor:
        """The radii of precision's and of density's neighbourhoods, float32 [2, M]."""
        ks = (NEIGHBOURHOOD, DENSITY_NEIGHBOURHOOD)
        return kept(f"{self._key}-radii-{'-'.join(map(str, ks))}", lambda: {"radii": radii(self.features, ks)})["radii"]

    def kernel_pairs(self, num_samples: int) -> Tensor:
        """The part of KID that depends on real images only, float32 [subsets], for comparison with `count` samples."""
        name = f"{self._key}-kernel-pairs-{num_samples}"
        return kept(name, lambda: {"pairs": pairs_among_real(self.features, num_samples)})["pairs"]

    def resemblance_to(self, training: Reference) -> Resemblance:
        """The resemblance of the first images to those of a training set: the level of chance."""
        tensors = kept(
            f"{self._key}-resembles-{training.content_hash}",
            lambda: vars(resemblance(self.features[:AUDITED], training.features)),
        )
        return Resemblance(**tensors)

    def likelihood_baseline(self, training: Reference) -> Tensor:
        """What FLD subtracts for each image: the loss of a mixture about images of a training set, float64 [M]."""
        tensors = kept(
            f"{self._key}-likelihood-by-{training.content_hash}",
            lambda: {"losses": baseline_losses(training.features, self.features, CENTRES)},
        )
        return tensors["losses"]
