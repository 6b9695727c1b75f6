"""Our extractors inside torch-fidelity, so that it measures the same features by its own code."""

from __future__ import annotations

import torch_fidelity
from torch import Tensor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from aigc_core.metrics.extractors import Extractor


def register_with_torch_fidelity(extractor: Extractor) -> None:
    """Make an extractor known to torch-fidelity, under the name ours."""

    class Registered(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **options: object) -> None:
            super().__init__(name, features_list)

        def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
            features, logits = extractor.extract_batch(batch[:, : extractor.channels])
            return tuple({"features": features, "logits": logits}[name] for name in self.features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

    torch_fidelity.register_feature_extractor("ours", Registered)
