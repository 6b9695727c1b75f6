"""Requests: one flat list of names and values, their canonical text, and what a model makes of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from aigc_core import AIGCError, SampleRequest
from aigc_core.config import parse_config
from aigc_core.families.base import Capability, LatentModel, Model, SamplerOptions
from aigc_core.families.gan.generator import GANOptions
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.edits import LatentEdits
from aigc_core.sampling.request import MAX_COUNT, is_known


class WriterOptions(SamplerOptions):
    temperature: float = Field(default=1.0, gt=0, le=10)
    top_k: int = Field(default=0, ge=0)


class Writer(Model):
    """Takes a prompt, and has no latents."""

    capabilities = frozenset({Capability.PROMPT})
    options_type = WriterOptions


class Painter(LatentModel):
    """Has latents and a truncation, and takes no prompt."""

    options_type = GANOptions


WRITER, PAINTER = Writer(), Painter()
NAMES = st.text(max_size=20).filter(lambda name: name not in SampleRequest.model_fields)
OFFSETS = st.dictionaries(NAMES, st.floats(-100, 100), max_size=4)
TEXTS = st.text(max_size=50)


def test_keywords_that_are_no_fields_are_options() -> None:
    request = SampleRequest(seed=7, truncation=0.5, offsets={"pca0": 2, "z3": 0}, mix_seed=4, mix_layer=None)
    assert request.seed == 7
    assert request.options == {"mix_seed": "4", "offset.pca0": "2", "truncation": "0.5"}
    assert request == SampleRequest(seed=7, options={"truncation": 0.5, "offset.pca0": 2.0, "mix_seed": "4"})
    assert SampleRequest(**{"offset.pca0": 2}) == SampleRequest(offsets={"pca0": 2})
    assert request.canonical() == "seed=7&mix_seed=4&offset.pca0=2&truncation=0.5"


@given(
    st.builds(
        SampleRequest,
        checkpoint=TEXTS,
        seed=st.integers(0, MAX_SEED),
        count=st.integers(1, MAX_COUNT),
        labels=TEXTS,
        prompt=TEXTS,
        options=st.dictionaries(NAMES, st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False)), max_size=5),
    )
)
def test_the_canonical_text_leads_back_to_the_request(request: SampleRequest) -> None:
    text = request.canonical()
    assert SampleRequest.from_canonical(text) == request == SampleRequest.from_canonical("?" + text)
    assert SampleRequest.from_canonical(text).canonical() == text


@pytest.mark.parametrize("name", ["checkpoint", "seed", "count", "labels", "prompt"])
def test_an_option_cannot_pass_for_a_field(name: str) -> None:
    with pytest.raises(AIGCError, match=f"'{name}' is given by itself"):
        parse_config(SampleRequest, {"options": {name: "1"}}, "Sample request")


@given(OFFSETS, st.none() | st.integers(0, MAX_SEED), st.integers(0, 100))
def test_edits_are_options_and_lead_back(offsets: dict[str, float], mix_seed: int | None, mix_layer: int) -> None:
    edits = LatentEdits(offsets=offsets, mix_seed=mix_seed, mix_layer=mix_layer)
    request = SampleRequest(seed=1).with_options(edits, GANOptions(truncation=0.25))
    assert request.edits_of(PAINTER) == edits
    assert request.options_of(PAINTER) == GANOptions(truncation=0.25)
    again = SampleRequest.from_canonical(request.canonical())
    assert again == request and again.edits_of(PAINTER) == edits


def test_edits_are_for_models_with_latents() -> None:
    assert SampleRequest(offsets={"z0": 0}).edits_of(WRITER) == LatentEdits()
    for edit in ({"offsets": {"z0": 1}}, {"mix_seed": 4}, {"mix_layer": 1}):
        request = SampleRequest(**edit)
        assert request.edits_of(PAINTER) != LatentEdits()
        for read in (request.edits_of, request.normalised):
            with pytest.raises(AIGCError, match="no smooth latent space"):
                read(WRITER)


@pytest.mark.parametrize(
    "edit",
    [{"offset.z0": "nan"}, {"offset.z0": "101"}, {"offset.z0": "far"}, {"mix_seed": "-1"}, {"mix_seed": str(2**32)},
     {"mix_layer": "101"}, {"mix_layer": "x"}],
)  # fmt: skip
def test_edits_out_of_range_are_refused(edit: dict[str, str]) -> None:
    with pytest.raises(AIGCError, match="offsets|mix_seed|mix_layer"):
        SampleRequest(options=edit).edits_of(PAINTER)


def test_defaults_are_left_out_once_the_model_is_known() -> None:
    written = SampleRequest.from_canonical("seed=3&truncation=1.00&mix_layer=0&offset.z1=0.0&offset.pca0=2.50")
    assert len(written.options) == 4
    normalised = written.normalised(PAINTER)
    assert normalised.canonical() == "seed=3&offset.pca0=2.5"
    assert normalised.normalised(PAINTER) == normalised
    assert SampleRequest.from_canonical("truncation=0.50").normalised(PAINTER) == SampleRequest(truncation=0.5)
    assert SampleRequest(temperature=1, top_k=5.0).normalised(WRITER).options == {"top_k": "5"}


@given(st.floats(0, 1), OFFSETS)
def test_what_is_normalised_stays_the_same(truncation: float, offsets: dict[str, float]) -> None:
    once = SampleRequest(truncation=truncation, offsets=offsets).normalised(PAINTER)
    assert once.normalised(PAINTER) == once
    options = once.options_of(PAINTER)
    assert isinstance(options, GANOptions) and math.isclose(options.truncation, truncation, rel_tol=0, abs_tol=0)
    assert once.edits_of(PAINTER).offsets == {name: value for name, value in offsets.items() if value}


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (PAINTER, {"temperature": 1}, "unknown key 'temperature'; known keys are truncation"),
        (WRITER, {"truncation": 1}, "unknown key 'truncation'; known keys are temperature, top_k"),
        (PAINTER, {"colour": "red"}, "unknown key 'colour'"),
        (WRITER, {"temperature": 0}, "'temperature' is wrong"),
        (PAINTER, {"truncation": "nan"}, "'truncation' is wrong"),
    ],
)
def test_options_that_a_model_does_not_have_are_refused_by_name(model: Model, options: dict, words: str) -> None:
    request = SampleRequest(**options)
    for read in (request.options_of, request.normalised):
        with pytest.raises(AIGCError, match=words) as caught:
            read(model)
        assert "\n" not in str(caught.value)


def test_a_prompt_is_for_models_that_take_one() -> None:
    request = SampleRequest(prompt="Once upon a time")
    assert request.normalised(WRITER) == request
    with pytest.raises(AIGCError, match="takes no prompt"):
        request.normalised(PAINTER)


def test_what_a_request_may_carry_is_known_by_name() -> None:
    assert all(map(is_known, ("seed", "labels", "truncation", "offset.pca0", "mix_seed", "mix_layer")))
    assert not any(map(is_known, ("colour", "__theme", "view", "offset")))
