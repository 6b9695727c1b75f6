"""Diffusion models of the library diffusers, drawn by DDIM from the noise alone (Song et al. 2021, η = 0)."""

from aigc_core.families.base import Family, families

from .model import DiffusionOptions, build_model

DIFFUSERS = families.register("diffusers", Family(build_model, {}, DiffusionOptions))
