"""Training a VQ-VAE in two phases of one run: first the autoencoder, then, with the autoencoder fixed, the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from aigc_core.config import SETTINGS, Config, parse_config
from aigc_core.errors import Sentence
from aigc_core.families.adam import Betas
from aigc_core.families.base import Batch, Condition, Model, ModelSpec, StepState, TrainingMethod
from aigc_core.families.gradients import descend
from aigc_core.families.schedule import LinearDecay, NonNegativeSchedule, value_at, warm_up

from .model import VQVAE, build_vqvae
from .quantiser import perplexity

COLLAPSED_BELOW = 0.05
"""The share of codes in use, measured by perplexity, below which the codes have collapsed."""


class TwoPhaseConfig(Config):
    """`autoencoder_share`: the share of the run that trains the autoencoder; the rest trains the prior.

    Each phase has its own settings of Adam, and shares of the run in a learning rate's schedule are shares of its
    phase. The prior's learning rate grows linearly over the share `prior_warmup` of its phase, and its gradients are
    clipped to the norm `max_gradient_norm`.
    """

    autoencoder_share: float = Field(default=0.4, gt=0, lt=1)
    autoencoder_learning_rate: NonNegativeSchedule = LinearDecay(value=2e-3, decay_from=0.3)
    autoencoder_betas: Betas = (0.9, 0.99)
    prior_learning_rate: NonNegativeSchedule = LinearDecay(value=2e-3, decay_from=0.1)
    prior_betas: Betas = (0.9, 0.95)
    prior_warmup: float = Field(default=0.02, ge=0, le=1)
    max_gradient_norm: float = Field(default=1.0, gt=0)


class TwoPhaseTraining(TrainingMethod):
    """Minimises the squared error of reconstructions plus the quantiser's loss, then −log p of the codes.

    A run that is resumed to last longer may return to its first phase; the second then trains the prior on the new
    codes.
    """

    def __init__(self, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator) -> None:
        self.config = parse_config(TwoPhaseConfig, dict(config), SETTINGS, "method_config")
        self.accelerator = accelerator
        self.vqvae = build_vqvae(spec).to(accelerator.device)
        self.autoencoder_adam, self.prior_adam = (
            torch.optim.Adam(network.parameters(), betas=betas, fused=True)
            for network, betas in (
                (self.vqvae.autoencoder, self.config.autoencoder_betas),
                (self.vqvae.prior, self.config.prior_betas),
            )
        )

    @property
    def model(self) -> VQVAE:
        return self.vqvae

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"vqvae": self.vqvae}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"autoencoder": self.autoencoder_adam, "prior": self.prior_adam}

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        """Train on one batch; samples float [N, C, H, W] in [-1, 1].

        Besides losses it returns how many codes the batch uses, and their perplexity.
        """
        share = self.config.autoencoder_share
        if state.progress < share:
            return self._train_autoencoder(batch, replace(state, progress=state.progress / share))
        return self._train_prior(batch, replace(state, progress=(state.progress - share) / (1 - share)))

    def _train_autoencoder(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        autoencoder = self.vqvae.autoencoder
        with self.accelerator.autocast():
            vectors, quantised = autoencoder.quantise(batch.samples)
            reconstructed = autoencoder.decode(quantised.vectors)
        error = functional.mse_loss(reconstructed.float(), batch.samples)
        loss = error + quantised.loss
        rate = value_at(self.config.autoencoder_learning_rate, state)
        descend(loss, autoencoder, self.autoencoder_adam, self.accelerator, rate)
        priority = state.draws.uniform(autoencoder.length).flatten()
        autoencoder.quantiser.learn(*map(self._gathered, (vectors.detach(), quantised.codes, priority)))
        measured = {"loss": loss.detach(), "reconstruction_error": error.detach()}
        return measured | self._measured(quantised.codes)

    def _train_prior(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        prior = self.vqvae.prior
        with self.accelerator.autocast():
            with torch.no_grad():
                codes = self.vqvae.autoencoder.codes_of(batch.samples)
            nats, _ = prior.losses(codes, Condition(batch.classes))
        loss = nats.mean()
        rate = warm_up(state.progress, self.config.prior_warmup) * value_at(self.config.prior_learning_rate, state)
        descend(loss, prior, self.prior_adam, self.accelerator, rate, self.config.max_gradient_norm)
        measured = {"loss": loss.detach(), "bits_per_code": loss.detach() / math.log(2)}
        return measured | self._measured(codes.flatten())

    def _gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, so that their quantisers stay equal."""
        gathered = self.accelerator.gather(rows)
        assert isinstance(gathered, Tensor)
        return gathered

    def _measured(self, codes: Tensor) -> dict[str, Tensor]:
        used, evenness = perplexity(codes, self.vqvae.autoencoder.quantiser.size)
        return {"codes_used": used, "code_perplexity": evenness}

    def warning(self, measured: dict[str, float]) -> str | None:
        """A sentence if only a few codes are in use (van den Oord et al. 2017 report perplexities)."""
        size = self.vqvae.autoencoder.quantiser.size
        if measured["code_perplexity"] < 1 + COLLAPSED_BELOW * (size - 1):
            return Sentence(
                "the codes have collapsed: only a few are in use; raise restart_below, or lower commitment."
            )
        return None

    def kept_model(self, average: Model, class_shares: Tensor) -> Model:
        """The averaged prior with the current autoencoder, whose codes, not those of its average, the prior has learnt.

        The autoencoder's learning rate decays to 0 by the end of its phase, which has the same effect as averaging.
        """
        kept = super().kept_model(average, class_shares)
        assert isinstance(kept, VQVAE)
        kept.autoencoder.load_state_dict(self.vqvae.autoencoder.state_dict())
        return kept
