"""Requests as addresses, query strings and fields, through the library and what the app reads of its address."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import gradio as gr
from hypothesis import strategies

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.config import parse_config
from aigc_core.demo import explore, mix
from aigc_core.demo.generate import request_of, request_of_link
from aigc_core.errors import AIGCError
from aigc_core.families.base import Model
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample
from tests.toy_models import toy_checkpoint

from .mutations import STRANGE, any_text, drawn, mutate_text
from .target import Target, try_each

VALUES = {
    "checkpoint": "checkpoints/mnist",
    "seed": "7",
    "count": "2",
    "labels": "Bag:0.7+Coat:0.3",
    "prompt": "a",
    "truncation": "0.5",
    "offset.z1": "2",
    "offset.pca0": "-1.5",
    "offsets": "pca0=1,z1=-2",
    "mix_seed": "3",
    "mix_layer": "1",
    "centre": "seed=3",
    "x": "pca0",
    "y": "z0",
    "reach": "2.5",
    "blend": "Shirt:0.5+Bag:1",
    "blend_seed": "3",
    "blend_layer": "2",
}
NUMBERS = ("-1", "1e9", "nan", "-inf", "inf", "1e-400", "00", "٣", "²", "1_0", "4294967296", "9" * 5000, "+1", "0x10")
TAKEN = (0, 1, 2, 7, 0.5, "Bag", "0,1", "Shirt+Coat:2", "\\,", ":", "", None)


class Requests(Target):
    """An input is an address, or fields of a request as a JSON object."""

    short = 250

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.checkpoints = [toy_checkpoint(name) for name in ("dcgan", "toy-style")]
        for checkpoint in self.checkpoints:
            checkpoint.save_pretrained(scratch / checkpoint.config.architecture)

    def inputs(self, seed: int) -> Iterator[bytes]:
        random, texts = Random(seed), drawn(strategies.one_of(any_text(), any_text(max_size=6)), seed)
        yield b"?seed=7&count=2&labels=Bag&truncation=0.5"
        while True:
            names = random.sample([*VALUES], random.randint(1, 6))
            if random.random() < 0.4:
                fields: dict[str, Any] = {name: VALUES[name] for name in names}
                for name in random.sample(names, random.randint(1, len(names))):
                    fields[name] = random.choice((random.choice(STRANGE), random.choice(TAKEN), next(texts)))
                if random.random() < 0.3:
                    fields["options"] = random.choice((random.choice(STRANGE), {next(texts): next(texts)}))
                yield json.dumps(fields).encode()
                continue
            pairs = [(name, VALUES[name]) for name in names]
            for at in random.sample(range(len(pairs)), random.randint(0, min(2, len(pairs)))):
                name, value = pairs[at]
                changed = random.choice((next(texts), random.choice(NUMBERS), mutate_text(random, value, 2)))
                pairs[at] = (name, changed) if random.random() < 0.9 else (changed, value)
            link = "https://studio.example/?" + urlencode(pairs, errors="surrogatepass", quote_via=quote)
            yield (link if random.random() < 0.7 else mutate_text(random, link)).encode(errors="surrogatepass")

    def attempt(self, data: bytes) -> str:
        if data.startswith(b'{"'):
            fields = json.loads(data)
            controls = {name: fields.get(name, "") for name in ("checkpoint", "seed", "count", "labels", "prompt")}
            return try_each(
                sampled=lambda: self._sampled(parse_config(SampleRequest, fields, "Sample request")),
                controls=lambda: request_of(
                    **controls,
                    options={"truncation": fields.get("truncation", "")},
                    offsets=str(fields.get("offsets", "")),
                ),
                mixed=lambda: _blended(fields.get("seed", 0)),
            )
        link = data.decode(errors="surrogatepass")
        query = dict(parse_qsl(link.partition("?")[2], keep_blank_values=True))
        return try_each(
            sampled=lambda: self._sampled(SampleRequest.from_canonical(link.partition("?")[2])),
            app=lambda: self._sampled(request_of_link(link)),
            explore=lambda: _explored(query),
            mix=lambda: [_mixed(query, checkpoint.config) for checkpoint in self.checkpoints],
        )

    def _sampled(self, request: SampleRequest) -> None:
        """The same from its text, and samples of it, where there are few."""
        assert type(request).from_canonical(request.canonical()) == request, "a request that is not read back"
        few = request.model_copy(update={"count": min(request.count, 3)})
        calls = {f"sampled {number}": lambda c=c: sample(c, few) for number, c in enumerate(self.checkpoints)}
        try_each(**calls, told=lambda: [_told(request, checkpoint.model) for checkpoint in self.checkpoints])


def _told(request: SampleRequest, model: Model) -> None:
    """What a page reads of a request."""
    normal = request.normalised(model)
    assert normal.normalised(model) == normal, "a normal form that is none"
    next(request.parts(64))


def _explored(query: dict[str, str]) -> None:
    centre, x, y, (_, reach) = explore.where_of(query)
    assert isinstance(centre, str) and all(isinstance(axis, str | None) for axis in (x, y)) and math.isfinite(reach)


def _blended(seed: Any) -> None:
    try:
        mix.request_of_blend("toy", seed, ["Bag"], 1.0)
    except gr.Error as error:  # as which the app shows an AIGCError
        raise AIGCError(error.message) from None


def _mixed(query: dict[str, str], config: CheckpointConfig) -> None:
    seed, (blend, layer) = mix.where_of(query)
    assert isinstance(seed, int) and isinstance(layer, int | None)
    entries, weights = mix.parts_of_blend(blend, config)
    assert len(entries) == len(weights) <= mix.MAX_BLENDED and all(0 <= weight <= 1 for weight in weights)
