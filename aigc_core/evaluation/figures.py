"""The figures of samples against a reference, as a whole and of each class."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from aigc_core.metrics.balance import class_imbalance, class_shares, mode_coverage
from aigc_core.metrics.catalogue import too_few_samples
from aigc_core.metrics.estimate import Estimate, Sizes
from aigc_core.metrics.fid import Moments, fid_figures
from aigc_core.metrics.inception_score import inception_score
from aigc_core.metrics.kid import kernel_distance
from aigc_core.metrics.label_agreement import label_agreement
from aigc_core.metrics.neighbours import MIN_IMAGES, neighbourhood_figures
from aigc_core.metrics.path_length import path_length

from .features import Sampled
from .reference import DENSITY_NEIGHBOURHOOD, NEIGHBOURHOOD, Reference
from .results import FIGURES, ClassResult


def measure_figures(
    sampled: Sampled,
    reference: Reference,
    asked: Tensor | None,
    metrics: Collection[str],
    measuring: Callable[[str], None],
) -> dict[str, Estimate]:
    """The requested figures that can be measured; `asked`: labels [N, K] if the model has the reference's classes."""
    features, logits = sampled.features, sampled.logits
    found: dict[str, Estimate] = {}
    if not {"fid", "fid_infinity"}.isdisjoint(metrics):
        measuring(FIGURES["fid"].title)
        found |= fid_figures(features, reference.features, reference.moments, "fid_infinity" in metrics)
    if "kid" in metrics:
        measuring(FIGURES["kid"].title)
        found["kid"] = kernel_distance(features, reference.features, reference.kernel_pairs(len(features)))
    if "is" in metrics and logits.shape[1]:
        measuring(FIGURES["is"].title)
        found["is"] = inception_score(logits)
    if not {"precision", "recall", "density", "coverage"}.isdisjoint(metrics):
        measuring(FIGURES["precision"].title)
        found |= neighbourhood_figures(
            features, reference.features, NEIGHBOURHOOD, DENSITY_NEIGHBOURHOOD, reference.radii
        )
    if "ppl" in metrics and sampled.paths is not None:
        measuring(FIGURES["ppl"].title)
        found["ppl"] = path_length(*sampled.paths())
    if reference.is_classified:
        if asked is not None:
            found["label_agreement"] = label_agreement(logits, asked)
        found["mode_coverage"] = mode_coverage(class_shares(logits), class_shares(reference.logits))
        found["class_imbalance"] = class_imbalance(logits, reference.logits)
    return found


def measure_classes(sampled: Sampled, reference: Reference, asked: Tensor | None) -> dict[str, ClassResult]:
    """The results of each class of the reference."""
    names = reference.data.class_names
    shares, real_shares = (
        class_shares(part) if reference.is_classified else [None] * len(names)
        for part in (sampled.logits, reference.logits)
    )
    classes = {}
    for label, name in enumerate(names):
        fid = agreement = None
        real = reference.features[reference.data.labels == label]
        rows = asked.argmax(1) == label if asked is not None else torch.zeros(0, dtype=torch.bool)
        if asked is not None and min(int(rows.sum()), len(real)) >= MIN_IMAGES:
            own = Sampled(sampled.features[rows], sampled.logits[rows], asked[rows])
            if not too_few_for(own, reference, ["fid"]):
                fid = fid_figures(own.features, real, Moments.of(real), extrapolate=False)["fid"]
                # No one compares classes across results: their influence values would only fill the file.
                fid = fid.model_copy(update={"influence_values": ()})
            if reference.is_classified:
                agreement = label_agreement(own.logits, own.labels)
        classes[name] = ClassResult(
            share=shares[label], real_share=real_shares[label], fid=fid, label_agreement=agreement
        )
    return classes


def too_few_for(sampled: Sampled, reference: Reference, metrics: Collection[str]) -> dict[str, int]:
    """The metrics that need more samples than there are, each with the number that it needs."""
    sizes = Sizes(sampled.features.shape[1], sampled.logits.shape[1], len(reference.data))
    return too_few_samples(len(sampled.features), sizes, metrics)


def requested(figures: dict[str, Estimate], metrics: Collection[str]) -> dict[str, Estimate]:
    """The requested figures, in the order of FIGURES."""
    return {name: figures[name] for name in FIGURES if name in figures and name in metrics}
