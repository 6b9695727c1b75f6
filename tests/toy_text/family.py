"""A family of models that draw one token after another, each from the two before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aigc_core.config import Config, parse_config
from aigc_core.families.base import (
    Batch,
    Capability,
    Condition,
    Family,
    Model,
    ModelSpec,
    SamplerOptions,
    StepState,
    TrainingMethod,
)

from .modality import ToyText


class ToyOptions(SamplerOptions):
    """`temperature`: the logits are divided by it."""

    temperature: float = Field(default=1.0, gt=0, le=10, description="lower is more predictable")


class MarkovConfig(Config):
    """`width` of the two embeddings."""

    width: int = Field(default=16, ge=1, le=512)


class Markov(Model):
    """A second-order Markov chain with learnt embeddings. Token t is the inverse CDF at Φ(noise t)."""

    capabilities = frozenset({Capability.PROMPT})
    options_type = ToyOptions

    def __init__(self, config: MarkovConfig, text: ToyText) -> None:
        super().__init__()
        self.length, tokens = text.length, len(text.vocabulary) + 1
        self.last, self.before = nn.Embedding(tokens, config.width), nn.Embedding(tokens, config.width)
        self.to_logits = nn.Linear(config.width, tokens)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.length,)

    def forward(self, last: Tensor, before: Tensor) -> Tensor:
        """Logits [..., tokens] of what follows two tokens int64 [...]."""
        return self.to_logits(torch.tanh(self.last(last) + self.before(before)))

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        assert isinstance(options, ToyOptions)
        uniform = 0.5 * (1 + torch.erf(noise.double() / math.sqrt(2)))
        tokens = torch.zeros(len(noise), self.length + 2, dtype=torch.int64, device=noise.device)
        begun = 0 if condition.prompt is None else len(condition.prompt)
        if condition.prompt is not None:
            tokens[:, 2 : 2 + begun] = condition.prompt
        for position in range(2 + begun, self.length + 2):
            logits = self(tokens[:, position - 1], tokens[:, position - 2]).double() / options.temperature
            chosen = (logits.softmax(-1).cumsum(-1) < uniform[:, position - 2, None]).sum(-1)
            ended = (tokens[:, position - 1] == 0) & (position > 2)
            tokens[:, position] = torch.where(ended, 0, chosen.clamp(max=logits.shape[-1] - 1))
        return tokens[:, 2:]


class LikelihoodConfig(Config):
    """Adam's settings."""

    learning_rate: float = Field(default=0.01, gt=0)


class LikelihoodTraining(TrainingMethod):
    """Maximum likelihood of each token, given the two before it."""

    def __init__(self, config: Mapping[str, Any], spec: ModelSpec, accelerator: Accelerator) -> None:
        parsed = parse_config(LikelihoodConfig, dict(config), "method_config")
        self._model = build(spec).to(accelerator.device)
        self._adam = torch.optim.Adam(self._model.parameters(), lr=parsed.learning_rate)

    @property
    def model(self) -> Markov:
        return self._model

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"model": self._adam}

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def step(self, batch: Batch, state: StepState) -> dict[str, Tensor]:
        padded = torch.nn.functional.pad(batch.samples, (2, 0))
        logits = self.model(padded[:, 1:-1], padded[:, :-2])
        loss = cross_entropy(logits.flatten(0, 1), batch.samples.flatten())
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        return {"loss": loss.detach()}


def build(spec: ModelSpec) -> Markov:
    assert isinstance(spec.modality, ToyText)
    return Markov(parse_config(MarkovConfig, dict(spec.architecture_config), "architecture_config"), spec.modality)


TOY_AUTOREGRESSIVE = Family(build, {"likelihood": LikelihoodTraining}, ToyOptions)
