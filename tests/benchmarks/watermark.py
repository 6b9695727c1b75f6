"""The watermark of texts: how often 200 tokens of it are found at a false alarm of 1 %, and what it costs.

    python -m tests.benchmarks.watermark [MODEL …] [--strength 3] [--texts 100]

Marked samples of the shipped models are written as text, read back as tokens, and joined in parts of 200 tokens; so are
documents of the test split, which nobody marked, and which are asked for the marks of `--keys` keys. The cost is by how
many bits a character the texts of the test split take more when the marked distribution codes them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator

import numpy
import torch
from torch.nn.functional import cross_entropy, one_hot

from aigc_core import Checkpoint
from aigc_core.access import SHIPPED
from aigc_core.data.corpora import load_corpus
from aigc_core.families.autoregressive.text import TextModel
from aigc_core.families.autoregressive.watermark import Watermark, detect
from aigc_core.families.base import Condition
from aigc_core.metrics.estimate import Estimate
from aigc_core.modalities.text import TextModality, text_kind, up_to_end
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample

from .report import print_table

MODELS = ("poems", "shakespeare", "python")
TOKENS = 200
LEVEL = 0.01
KEY = 77
CODED = 100
"""So many texts of the test split are coded, spread evenly."""


def parts(texts: Iterable[list[int]], count: int) -> Iterator[list[list[int]]]:
    """At most `count` parts of TOKENS tokens, each of one text or several one after the other."""
    part: list[list[int]] = []
    left = TOKENS
    for text in texts:
        rest = text
        while rest and count:
            part.append(rest[:left])
            rest, left = rest[left:], left - len(part[-1])
            if not left:
                yield part
                part, left, count = [], TOKENS, count - 1
        if not count:
            return


def marked_texts(checkpoint: Checkpoint, kind: TextModality, strength: float) -> Iterator[list[int]]:
    """The tokens of ever more marked samples, from what they say."""
    options = {"watermark": strength, "watermark_key": KEY}
    for seed in range(0, 100_000, 32):
        request = SampleRequest(seed=seed, count=32, options=options)
        for text in kind.texts(sample(checkpoint, request).stored):
            yield kind.tokens_of(text, skip_unknown=True)


@torch.inference_mode()
def bits_per_character(checkpoint: Checkpoint, model: TextModel, strength: float) -> tuple[float, float]:
    """Of texts of the test split, without and with the mark."""
    kind, config = text_kind(checkpoint.modality), checkpoint.config
    data = kind.load_split(config.dataset, "test")
    rows = torch.linspace(0, len(data) - 1, min(CODED, len(data))).round().long()
    plain = marked = characters = 0.0
    for row in rows.split(1):
        tokens, labels = data.batch(row)
        classes = one_hot(labels, config.num_classes).float() if config.num_classes else torch.zeros(1, 0)
        counted = int(up_to_end(tokens).sum())
        tokens = tokens[:, :counted]
        logits = model(tokens, Condition(classes))[0]
        mark, raised = Watermark(strength, KEY, kind.vocabulary_size, rows=1), []
        for position in range(counted):
            raised.append(mark.adjust(logits[position : position + 1]))
            mark.see(tokens[:, position])
        plain += float(cross_entropy(logits, tokens[0], reduction="sum"))
        marked += float(cross_entropy(torch.cat(raised), tokens[0], reduction="sum"))
        characters += len(kind.texts(tokens)[0])
    return plain / math.log(2) / characters, marked / math.log(2) / characters


def share(flags: list[bool]) -> str:
    estimate = Estimate.of_share(sum(flags) / len(flags), len(flags))
    return f"{estimate.value:.1%} of {len(flags):,} ({estimate.low:.1%} to {estimate.high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.watermark", description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, help="of the shipped ones; by default all of texts")
    parser.add_argument("--strength", type=float, default=3.0)
    parser.add_argument("--texts", type=int, default=100, help="parts of samples, of each model")
    parser.add_argument("--keys", type=int, default=100, help="that documents are asked for")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.models:
        checkpoint = Checkpoint.from_pretrained(SHIPPED / name, device="cpu")
        kind, model = text_kind(checkpoint.modality), checkpoint.model
        assert isinstance(model, TextModel)
        drawn = parts(marked_texts(checkpoint, kind, arguments.strength), arguments.texts)
        found = [detect(part, KEY).p_value <= LEVEL for part in drawn]
        documents = load_corpus(checkpoint.config.dataset, "test").documents
        real = list(parts((kind.tokens_of(text, skip_unknown=True) for text in documents), 300))
        alarms = numpy.array(
            [[detect(part, key).p_value <= LEVEL for part in real] for key in range(arguments.keys)], dtype=float
        )
        of_keys = alarms.mean(1)
        bits = bits_per_character(checkpoint, model, arguments.strength)
        alarmed = f"{alarms.mean():.2%} (keys: {of_keys.min():.1%} to {of_keys.max():.1%})"
        rows.append([name, share(found), f"{len(real):,}", alarmed, *(f"{each:.3f}" for each in bits)])
        rows[-1].append(f"{bits[1] - bits[0]:+.3f}")
    title = f"A watermark of strength {arguments.strength:g} in {TOKENS} tokens, at a false alarm of {LEVEL:.0%}"
    head = ["model", "found", "test texts", f"false alarms over {arguments.keys} keys"]
    print_table(title, [*head, "bits a character", "with the mark", "cost"], rows)


if __name__ == "__main__":
    main()
