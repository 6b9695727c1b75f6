"""Variational autoencoders (Kingma & Welling 2014)."""

from aigc_core.families.base import Family, families

from .method import ELBOTraining
from .model import VAEOptions, build_vae

VAE = families.register("vae", Family(build_vae, {"elbo": ELBOTraining}, VAEOptions))
