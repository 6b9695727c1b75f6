"""Which samples stand out: the seeds that two checkpoints draw least alike, and the best and the worst of a class.

Here is what orders them: a distance, or a classifier's confidence, for each sample of a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.errors import AIGCError
from aigc_core.metrics.extractors import Extractor, extractors, is_second_judge, load_extractor, own_extractor
from aigc_core.modalities.as_images import as_images
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample

from .results import Protocol


@lru_cache(8)
def judge_named(name: str) -> Extractor:
    """The extractor of that name, loaded once. Raises AIGCError as `load_extractor` does."""
    return load_extractor(name)


def protocol_judge(protocol: Protocol) -> Extractor | None:
    """The extractor of a protocol; None if it has none, or not with the same weights here."""
    if protocol.extractor not in extractors:
        return None
    try:
        judge = judge_named(protocol.extractor)
    except AIGCError:
        return None
    return judge if judge.weights_hash == protocol.extractor_hash else None


def class_judge(config: CheckpointConfig, protocol: Protocol) -> Extractor | None:
    """The classifier of the classes that a checkpoint draws: the one made for its data, or a second judge of the same
    data if a protocol measures with it; None if there is none."""
    own = own_extractor(config.dataset) if config.num_classes else None
    if own and is_second_judge(protocol.extractor):
        second = judge_named(protocol.extractor)
        if second.dataset == config.dataset:
            return second
    return judge_named(own) if own else None


def distances(
    first: StoredCheckpoint, second: StoredCheckpoint, request: SampleRequest, judge: Extractor | None
) -> list[float]:
    """How far apart two checkpoints' samples of each seed are: the Euclidean distance of the judge's features.

    Without a judge it is the root mean square of the pixels' differences, 0 to 255, of images or spectrograms. Raises
    AIGCError as `sample` does, and if the images cannot be compared.
    """
    ours, theirs = (_images(checkpoint, request) for checkpoint in (first, second))
    if judge is not None:
        apart = judge.extract(ours)[0] - judge.extract(theirs)[0]
        return apart.double().norm(dim=1).tolist()
    if ours.shape != theirs.shape:
        raise AIGCError(
            "Images of {first} and of {second} have no pixels in common.", first=_size(ours), second=_size(theirs)
        )
    return (ours.double() - theirs.double()).square().flatten(1).mean(1).sqrt().tolist()


def confidences(checkpoint: StoredCheckpoint, request: SampleRequest, label: int, judge: Extractor) -> list[float]:
    """The probability, 0 to 1, that a classifier gives the class of that number for each sample.

    Raises AIGCError as `sample` does, and if the classifier has other classes than the checkpoint.
    """
    _, logits = judge.extract(_images(checkpoint, request))
    if logits.shape[1] != checkpoint.config.num_classes:
        raise AIGCError("The classifier '{name}' knows other classes than this checkpoint.", name=judge.name)
    return logits.double().softmax(1)[:, label].tolist()


def in_order(values: Sequence[float]) -> list[int]:
    """The places of values from the largest to the smallest; of equal ones, the first comes first."""
    return sorted(range(len(values)), key=lambda place: -values[place])


def _images(checkpoint: StoredCheckpoint, request: SampleRequest) -> Tensor:
    """A request's samples as images uint8 [N, C, H, W], on the CPU."""
    return as_images(checkpoint.modality, sample(checkpoint, request).stored)


def _size(images: Tensor) -> str:
    return " × ".join(map(str, images.shape[1:]))
