"""Building an autoregressive model for a kind of samples."""

from __future__ import annotations

from aigc_core.families.base import ModelSpec, architecture_settings
from aigc_core.modalities.text import TextModality
from aigc_core.nn.transformer import TransformerConfig

from .model import AutoregressiveModel
from .text import TextModel
from .tokens import token_space


def build_model(spec: ModelSpec) -> AutoregressiveModel:
    """A model with fresh weights. Raises AIGCError for another architecture, or settings or samples that do not fit."""
    settings = architecture_settings(spec, {"transformer": TransformerConfig})
    if isinstance(spec.modality, TextModality):
        return TextModel(settings, spec.modality, spec.num_classes)
    return AutoregressiveModel(settings, token_space(spec.modality), spec.num_classes)
