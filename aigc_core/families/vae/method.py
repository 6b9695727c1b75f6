"""Training a VAE: the encoder and the decoder raise the evidence lower bound together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.errors import Sentence
from aigc_core.families.adam import Betas
from aigc_core.families.base import Batch, ModelSpec, StepState, TrainingMethod
from aigc_core.families.gradients import descend
from aigc_core.families.schedule import LinearDecay, NonNegativeSchedule, value_at

from .model import VAE, build_vae
from .objective import gaussian_error, kl_divergence


class ELBOConfig(Config):
    """`beta` weighs the divergence (β-VAE; Higgins et al. 2017, equation 4); 1 is the bound itself.

    `learning_rate` and `betas` are Adam's.
    """

    beta: NonNegativeSchedule = 1.0
    learning_rate: NonNegativeSchedule = LinearDecay(value=1e-3, decay_from=0.5)
    betas: Betas = (0.9, 0.99)


class ELBOTraining(TrainingMethod):
    """Ascends E_q[log p(x | z)] − β · KL(q(z | x) ‖ p(z)) with one latent a sample (Kingma & Welling 2014, eq. 10).

    σ is a parameter like any other: its gradient leads to the root mean square error of the reconstructions, which
    makes β = 1 a sound choice without tuning (Rybkin et al. 2021).
    """

    def __init__(self, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator) -> None:
        self.config = parse_config(ELBOConfig, dict(config), SETTINGS, "method_config")
        self.accelerator = accelerator
        self.vae = build_vae(spec).to(accelerator.device)
        self.adam = torch.optim.Adam(self.vae.parameters(), betas=self.config.betas, fused=True)

    @property
    def model(self) -> VAE:
        return self.vae

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"vae": self.vae}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"vae": self.adam}

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; samples float [N, C, H, W] in [-1, 1]. Measured in nats a sample."""
        vae = self.vae
        noise = state.draws.normal(*vae.noise_shape)
        with self.accelerator.autocast():
            mean, log_variance = vae.encoder(batch.samples, batch.classes)
            reconstructed = vae.decoder(mean + (0.5 * log_variance).exp() * noise, batch.classes)
        divergence = kl_divergence(mean.float(), log_variance.float()).mean()
        error = gaussian_error(batch.samples, reconstructed.float(), vae.log_sigma).mean()
        loss = error + value_at(self.config.beta, state) * divergence
        descend(loss, vae, self.adam, self.accelerator, value_at(self.config.learning_rate, state))
        return {
            "loss": loss.detach(),
            "divergence": divergence.detach(),
            "reconstruction_error": error.detach(),
            "sigma": vae.log_sigma.detach().exp(),
        }

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence if the posterior has collapsed: latents carry no information on samples (Bowman et al. 2016)."""
        if measured["divergence"] < 0.1:
            return Sentence(
                "the latents carry no information (posterior collapse); lower beta or let it grow over training."
            )
        return None
