"""Autoregressive models: one token after another, each from those before it."""

from aigc_core.families.base import Family, families

from .method import LikelihoodTraining
from .model import AutoregressiveOptions, build_model

AUTOREGRESSIVE = families.register(
    "autoregressive", Family(build_model, {"likelihood": LikelihoodTraining}, AutoregressiveOptions)
)
