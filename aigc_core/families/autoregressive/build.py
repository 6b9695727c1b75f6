"""Building an autoregressive model for a kind of samples."""

from __future__ import annotations

from aigc_core.config import parse_config
from aigc_core.errors import AIGCError
from aigc_core.families.base import ModelSpec
from aigc_core.modalities.text import TextModality
from aigc_core.nn.transformer import TransformerConfig

from .model import AutoregressiveModel
from .text import TextModel
from .tokens import token_space


def build_model(spec: ModelSpec) -> AutoregressiveModel:
    """A model with fresh weights. Raises AIGCError for another architecture, or settings or samples that do not fit."""
    if spec.architecture != "transformer":
        raise AIGCError("There is no autoregressive model '{name}'; there are transformer.", name=spec.architecture)
    settings = parse_config(TransformerConfig, dict(spec.architecture_config), "architecture_config")
    if isinstance(spec.modality, TextModality):
        return TextModel(settings, spec.modality, spec.num_classes)
    return AutoregressiveModel(settings, token_space(spec.modality), spec.num_classes)
