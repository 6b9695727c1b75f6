"""The Inception Score (Salimans et al. 2016), as torch-fidelity computes it, with its sampling error."""

from __future__ import annotations

from torch import Tensor

from .estimate import Figure, group_influences


def inception_score(logits: Tensor) -> Figure:
    """The score of logits float32 [N, K]; each image's first-order effect is its divergence from the mean classes."""
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

    score = isc_features_to_metric(logits)[KEY_METRIC_ISC_MEAN]
    shares, log_shares = logits.double().softmax(1), logits.double().log_softmax(1)
    divergences = (shares * (log_shares - shares.mean(0).log())).sum(1)
    return Figure.of_groups(score, group_influences((score * (divergences - divergences.mean())).numpy()))
