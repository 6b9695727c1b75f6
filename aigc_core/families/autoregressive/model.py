"""A Transformer over tokens as a model: token t is the inverse CDF of its predicted distribution at Φ(noise t)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aigc_core.device import one_thread
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import (
    Capability,
    Condition,
    LikelihoodModel,
    SamplerOptions,
    StreamingModel,
    TokenStep,
)
from aigc_core.modalities.text import up_to_end
from aigc_core.nn.inverse_cdf import choose, uniform_of
from aigc_core.nn.transformer import Cache, Transformer, TransformerConfig

from .steering import Steering
from .tokens import TokenSpace

ROWS = 32
"""How many samples are always drawn together; if there are fewer, the last one is repeated. The rounding of a matrix
product depends on its shape, and a token may depend on the last digit: a fixed shape gives the same samples always."""


class AutoregressiveOptions(SamplerOptions):
    """`temperature` divides the logits; 0 takes the likeliest token. `top_k` keeps so many of the likeliest tokens, 0
    all; of these `top_p` keeps the smallest set with at least that probability (nucleus sampling; Holtzman et al.
    2020)."""

    temperature: float = Field(
        default=1.0,
        ge=0,
        le=5,
        title=Sentence("Temperature"),
        description=Sentence("1: as learnt · less: more predictable · 0: always the likeliest"),
    )
    top_k: int = Field(
        default=0, ge=0, le=100_000, title="Top k", description=Sentence("how many likeliest tokens are left · 0: all")
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, title="Top p", description=Sentence("the probability that is left · 1: all")
    )


class AutoregressiveModel(LikelihoodModel, StreamingModel):
    """p(x | y) = Π p(token t | tokens before t, y), where a Transformer computes the factors.

    Position t reads the token before it; the first position reads an embedding of the classes.
    """

    options_type = AutoregressiveOptions
    single_graph = False
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.PROMPT, Capability.STREAM, Capability.LIKELIHOOD}
    )

    def __init__(self, config: TransformerConfig, space: TokenSpace, num_classes: int, rows: int = ROWS) -> None:
        super().__init__()
        self.space, self._rows = space, rows
        self.embedding = nn.Embedding(space.vocabulary, config.width)
        self.start = nn.Parameter(torch.zeros(config.width))
        self.class_embedding = nn.Linear(num_classes, config.width, bias=False) if num_classes else None
        self.transformer = Transformer(config)
        self.to_logits = nn.Linear(config.width, space.vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.to_logits.weight, std=0.02)
        if self.class_embedding is not None:
            nn.init.normal_(self.class_embedding.weight, std=0.02)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.space.length,)

    @property
    def rows(self) -> int:
        return self._rows

    def forward(self, tokens: Tensor, condition: Condition) -> Tensor:
        """Logits [N, T, vocabulary] of tokens int64 [N, T], each given those before it."""
        embeddings = torch.cat([self.first(condition)[:, None], self.embedding(tokens[:, :-1])], 1)
        return self.to_logits(self.transformer(embeddings))

    def first(self, condition: Condition) -> Tensor:
        """The input of the first position, float [N, width]."""
        start = self.start.expand(len(condition), -1)
        return start if self.class_embedding is None else start + self.class_embedding(condition.classes)

    def losses(self, tokens: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """−log p in nats of each token, float [N, T], and which of them count, bool [N, T].

        Those up to and including the first end token count.
        """
        nats = cross_entropy(self(tokens, condition).flatten(0, 1).float(), tokens.flatten(), reduction="none")
        end = self.space.end
        counted = torch.ones_like(tokens, dtype=torch.bool) if end is None else up_to_end(tokens, end)
        return nats.view_as(tokens), counted

    def bits_per_dimension(self, samples: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        """Bits per token, float [N]; the end of a text counts as a token."""
        nats, counted = self.losses(self.space.to_tokens(samples), condition)
        return (nats * counted).sum(1) / counted.sum(1) / math.log(2)

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        space = self.space
        tokens = torch.full((len(noise), space.length), space.end or 0)
        if condition.prompt is not None:
            tokens[:, : len(condition.prompt)] = condition.prompt.cpu()[: space.length]
        for start in range(0, len(noise), self.rows):
            part = slice(start, start + self.rows)
            for step in self.stream(noise[part], condition[part], options):
                tokens[part, step.position] = step.tokens
        return space.from_tokens(tokens.to(noise.device))

    def steerings(self, options: AutoregressiveOptions, rows: int) -> list[Steering]:
        """Fresh steerings for `rows` samples, in the order in which they are applied."""
        return []

    def stream(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Iterator[TokenStep]:
        assert isinstance(options, AutoregressiveOptions) and len(noise) <= self.rows
        count, space = len(noise), self.space
        rows = torch.arange(self.rows).clamp(max=count - 1).to(noise.device)
        uniform, condition = uniform_of(noise[rows]), condition[rows]
        prompt = rows[:0] if condition.prompt is None else condition.prompt
        if len(prompt) >= space.length:
            raise AIGCError(
                "The prompt has {count} tokens, and a sample {most}; shorten it.", count=len(prompt), most=space.length
            )
        steerings = self.steerings(options, len(rows))
        for token in prompt.cpu():
            for steering in steerings:
                steering.see(token.expand(len(rows)))
        ended = torch.zeros(len(rows), dtype=torch.bool)
        cache = Cache(self.transformer, len(rows), space.length)
        with one_thread():
            first = self.first(condition)
        inputs = torch.cat([first[:, None], self.embedding(prompt).expand(len(rows), -1, -1)], 1)
        for position in range(len(prompt), space.length):
            with one_thread():
                logits = self.to_logits(self.transformer(inputs, cache)[:, -1])
                steered = logits
                for steering in steerings:
                    steered = steering.adjust(steered)
                chosen = choose(steered, uniform[:, position], options.temperature, options.top_k, options.top_p)
                for steering in steerings:
                    chosen = steering.replace(chosen)
                if space.end is not None:
                    chosen = chosen.masked_fill(ended, space.end)
                    ended |= chosen == space.end
                for steering in steerings:
                    steering.see(chosen)
            yield TokenStep(position, chosen[:count], logits[:count])
            if ended.all():
                break
            inputs = self.embedding(chosen[:, None].to(noise.device))
