"""Autoregressive models: one token after another, each from those before it."""

from aigc_core.families.base import Family, families

from .build import build_model
from .method import LikelihoodTraining
from .text import TextOptions

AUTOREGRESSIVE = families.register(
    "autoregressive", Family(build_model, {"likelihood": LikelihoodTraining}, TextOptions)
)
