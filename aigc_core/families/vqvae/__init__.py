"""Vector-quantised autoencoders with a prior over their codes (van den Oord et al. 2017)."""

from aigc_core.families.autoregressive.model import AutoregressiveOptions
from aigc_core.families.base import Family, families

from .method import TwoPhaseTraining
from .model import build_vqvae

VQVAE = families.register("vqvae", Family(build_vqvae, {"two-phase": TwoPhaseTraining}, AutoregressiveOptions))
