"""Changing valid inputs: bytes, JSON and text, and drawing by hypothesis strategies from a seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, strategies

Drawn = TypeVar("Drawn")

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LETTERS = "\0\n\r\t\x1b\x85\u2028\u202e\ud800\udcff\ufeff\u0301é가𝄞İß'\"\\{}%&=+:@,;#?/.~ "
"""Letters that mean something somewhere: line ends, controls, lone surrogates, both Unicode forms, separators."""
WORDS = ("", "..", "NaN", "-inf", "null", "main", "step-0000001", "__class__", "{0}", "{name}", "%s", "a" * 300)
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, 1e308, 10**400, 2**31, 2**63, 2**64, float("nan"), float("inf"), "", "1", "x",
    "\n", "\ud800", "\0", [], {}, [[]], [None], {"": None}, "é" * 1000, [0] * 300,
)  # fmt: skip


def mutate_bytes(random: Random, data: bytes, most: int = 4) -> bytes:
    """Data with up to `most` changes, each of a kind that parsers trip over."""
    changed = bytearray(data)
    for _ in range(random.randint(1, most)):
        size = len(changed)
        at = random.randrange(size) if size else 0
        some = random.randint(1, 8) if random.random() < 0.7 else random.randint(1, max(1, size // 4))
        match random.randrange(7):
            case 0 if size:
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                changed[at : at + 1] = random.randbytes(1)
            case 2:
                width = random.choice((1, 2, 4, 8))
                number = random.choice(EDGES) & (256**width - 1)
                changed[at : at + width] = number.to_bytes(width, random.choice(("big", "little")))
            case 3:
                del changed[at : at + some]
            case 4:
                changed[at:at] = changed[at : at + some]
            case 5:
                changed[at:at] = random.randbytes(some % 64)
            case 6 if random.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def mutate_text(random: Random, text: str, most: int = 4) -> str:
    """Text with up to `most` letters or words put in, taken out, repeated or replaced."""
    for _ in range(random.randint(1, most)):
        at = random.randint(0, len(text))
        new = random.choice((random.choice(LETTERS), random.choice(WORDS), chr(random.randrange(0x110000))))
        match random.randrange(4):
            case 0:
                text = text[:at] + new + text[at:]
            case 1:
                text = text[:at] + text[at + random.randint(1, 5) :]
            case 2:
                text = text[:at] + new + text[at + 1 :]
            case 3:
                end = at + random.randint(1, 20)
                text = text[:end] + text[at:end] * random.choice((1, 1, 1, 50)) + text[end:]
    return text


def mutate_json(random: Random, value: Any, most: int = 3) -> bytes:
    """JSON of a value with some parts of other types or values, renamed, left out, doubled or nested deeply."""
    value = json.loads(json.dumps(value))
    for _ in range(random.randint(1, most)):
        value = _changed_part(random, value)
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    match random.randrange(12):
        case 0 if '"' in text:  # the first key once more
            key = text.split('"')[1]
            text = text.replace("{", f'{{"{key}": {json.dumps(random.choice(STRANGE))}, ', 1)
        case 1:
            depth = random.choice((50, 5000, 100_000))
            text = text.replace(": ", ": " + "[" * depth + "]" * depth + ', "deep": ', 1)
        case 2:
            digits = [at for at, letter in enumerate(text) if letter.isdigit()]
            if digits:
                at = random.choice(digits)
                text = text[:at] + "9" * random.choice((20, 400, 5000)) + text[at:]
        case 3:
            return mutate_bytes(random, text.encode(errors="surrogatepass"))
    return text.encode(errors="surrogatepass")


def _changed_part(random: Random, value: Any) -> Any:
    """A value with one part changed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        value, key = dict(value), random.choice([*value])
        match random.randrange(8):
            case 0:
                del value[key]
            case 1:
                value[mutate_text(random, key, 1)] = value.pop(key)
            case 2:
                value[mutate_text(random, key, 2)] = random.choice(STRANGE)
            case _:
                value[key] = _changed_part(random, value[key])
        return value
    if isinstance(value, list) and value and random.random() < 0.85:
        value, at = list(value), random.randrange(len(value))
        match random.randrange(4):
            case 0:
                del value[at]
            case 1:
                value[at:at] = value[at : at + 1] * random.choice((1, 2, 500))
            case _:
                value[at] = _changed_part(random, value[at])
        return value
    match value:
        case str() if random.random() < 0.5:
            return mutate_text(random, value, 2)
        case bool():
            return random.choice(STRANGE)
        case int() | float() if random.random() < 0.5:
            return random.choice((-value, value + 1, value * 1000, value // 3, repr(value)[:400], [value]))
    return random.choice(STRANGE)


def drawn(strategy: strategies.SearchStrategy[Drawn], seed: int, batch: int = 100) -> Iterator[Drawn]:
    """Values of a hypothesis strategy without end, the same for the same seed."""
    while True:
        collected: list[Drawn] = []

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=batch, phases=[Phase.generate], database=None, deadline=None,
            suppress_health_check=[*HealthCheck],
        )  # fmt: skip
        @hypothesis.given(strategy)
        def collect(value: Drawn) -> None:
            collected.append(value)  # noqa: B023  (called before the next turn)

        collect()
        yield from collected
        seed += 1_000_003


def any_text(min_size: int = 0, max_size: int = 40) -> strategies.SearchStrategy[str]:
    """Text with what is special somewhere more often than chance has it."""
    letters = strategies.one_of(
        strategies.sampled_from(LETTERS), strategies.characters(), strategies.sampled_from("abcABC019")
    )
    return strategies.text(letters, min_size=min_size, max_size=max_size)
