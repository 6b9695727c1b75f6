"""Does a sample show the class that was asked for? As the extractor's classifier sees it."""

from __future__ import annotations

from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo

METRICS = {
    "label_agreement": MetricInfo(
        Sentence("Label agreement"),
        "higher",
        Sentence("a model with the reference's classes and the classifier of the data as extractor"),
        Sentence("Unbiased for any number of samples. From 0 to 1."),
        highest=1.0,
        meaning=Sentence("The share of samples that a classifier takes for the class that was asked for."),
    ),
}


def label_agreement(logits: Tensor, labels: Tensor) -> Estimate:
    """The share of images with logits [N, K] whose class is the one that labels [N, K] asked for."""
    agreed = logits.argmax(1) == labels.argmax(1)
    return Estimate.of_share(agreed.double().mean().item(), len(agreed))
