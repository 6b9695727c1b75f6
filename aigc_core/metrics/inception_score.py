"""The Inception Score (Salimans et al. 2016), as torch-fidelity computes it, with its sampling error."""

from __future__ import annotations

from torch import Tensor

from aigc_core.errors import Sentence

from .estimate import Estimate, MetricInfo, group_influence_values

SPLITS = 10
"""The score is the mean over so many parts of the samples."""
METRICS = {
    # How sure and how varied the predicted classes are (Salimans et al. 2016).
    "is": MetricInfo(
        Sentence("IS"),
        "higher",
        Sentence("an extractor that classifies"),
        Sentence(
            "Biased downwards with few samples: the interval reaches up to what infinitely many would give. From 1 to "
            "the number of classes."
        ),
        min_samples=lambda sizes: SPLITS * min(max(sizes.classes, 10), 100),
        lowest=1.0,
        meaning=Sentence("How surely a classifier recognises each sample, and how many classes it finds among them."),
    ),
}


def inception_score(logits: Tensor) -> Estimate:
    """The score of logits float32 [N, K]; each image's first-order effect is its divergence from the mean classes.

    The bias falls as 1/N (Miller 1955, on the entropy of the mean classes): the score of all samples at once has a
    tenth of it.
    """
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

    score, whole = (isc_features_to_metric(logits, splits=parts)[KEY_METRIC_ISC_MEAN] for parts in (SPLITS, 1))
    bias = min(0.0, (score - whole) * SPLITS / (SPLITS - 1))
    shares, log_shares = logits.double().softmax(1), logits.double().log_softmax(1)
    divergences = (shares * (log_shares - shares.mean(0).log())).sum(1)
    effects = group_influence_values((score * (divergences - divergences.mean())).numpy())
    return Estimate.of_groups(score, effects, bias=bias).within(1.0, logits.shape[1])
