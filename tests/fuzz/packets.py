"""XMP packets changed as text and as structure; and whatever our writer may write is read back equal."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from random import Random
from xml.etree import ElementTree

import torch
from hypothesis import strategies

from aigc_core.config import parse_config
from aigc_core.modalities.provenance import Provenance, Statement, parse_packet, xmp_packet
from aigc_core.sampling.request import SampleRequest

from .mutations import LETTERS, any_text, drawn, mutate_text
from .target import Target

REQUESTS = strategies.fixed_dictionaries(
    {
        "checkpoint": any_text(),
        "seed": strategies.integers(0, 2**32 - 1),
        "labels": any_text(),
        "prompt": any_text(),
        "options": strategies.dictionaries(any_text(1), any_text(), max_size=4),
    }
)


class Packets(Target):
    """An input is a packet, or a request as a JSON object."""

    short = 600

    def inputs(self, seed: int) -> Iterator[bytes]:
        random, requests = Random(seed), drawn(REQUESTS, seed)
        valid = xmp_packet(Provenance.of(Statement("seed=7&labels=Bag", "0" * 64), torch.zeros(1, dtype=torch.uint8)))
        yield valid.encode()
        while True:
            if random.random() < 0.3:
                yield json.dumps(next(requests)).encode()
                continue
            packet = _restructured(random, valid) if random.random() < 0.6 else valid
            changed = mutate_text(random, packet) if random.random() < 0.6 else packet
            yield changed.encode(errors="surrogatepass")

    def attempt(self, data: bytes) -> str:
        if not data.startswith(b'{"'):
            provenance = parse_packet(data.decode(errors="surrogatepass"), "the file")
            texts = (provenance.request, provenance.weights, provenance.source_type)
            assert all(isinstance(text, str) for text in (*texts, *provenance.aigc, *provenance.aigc.values()))
            return "read"
        request = parse_config(SampleRequest, json.loads(data), "Sample request")
        assert SampleRequest.from_canonical(request.canonical()) == request, "a request that is not read back"
        written = Provenance.of(Statement(request.canonical(), "0" * 64), torch.zeros(1, dtype=torch.uint8))
        assert parse_packet(xmp_packet(written), "the file") == written, "a statement that is not read back"
        return "read back"


def _restructured(random: Random, packet: str) -> str:
    """The packet with parts moved, doubled, renamed, emptied or nested."""
    root = ElementTree.fromstring(packet.lstrip("\ufeff"))
    for _ in range(random.randint(1, 4)):
        parts = [*root.iter()]
        part, other = random.choice(parts), random.choice(parts)
        match random.randrange(9):
            case 0:
                part.tag = random.choice((other.tag, "x", "{urn:x}y"))
            case 1:
                part.text = random.choice(
                    (None, "", other.text, "[" * 50_000, "[]", "null", '{"Label": null}', "1e999")
                )
            case 2:
                part.set(other.tag, other.text or "")
            case 3:
                part.attrib.clear()
            case 4:
                part.append(copy.deepcopy(random.choice(parts[1:] or parts)))
            case 5 if len(part):
                part.remove(random.choice([*part]))
            case 6:
                for _ in range(random.choice((1, 3, 50))):
                    inner = ElementTree.Element(other.tag)
                    inner.extend([*part])
                    part[:] = [inner]
                    part = inner
            case 7:
                name = random.choice(("Alt", "Bag", "Seq", "li", "value", "Description"))
                inner = ElementTree.SubElement(part, f"{{http://www.w3.org/1999/02/22-rdf-syntax-ns#}}{name}")
                inner.text, part.text = part.text, random.choice((None, part.text))
            case _:
                part.text = (part.text or "") + random.choice([*LETTERS[5:]])
    text, depth = ElementTree.tostring(root, encoding="unicode"), random.choice((1, 1, 1, 500, 20_000))
    opened, closed = "<rdf:li>" * depth, "</rdf:li>" * depth
    return re.sub(r"(<studio:Request>)(.*)(</studio:Request>)", rf"\1{opened}\2{closed}\3", text)
