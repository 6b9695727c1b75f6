"""What is wrong with a config, in sentences of our own, with the place as users write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
from accelerate import Accelerator
from pydantic_core.core_schema import ErrorType

from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.config import REASONS, Config, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.evaluation.results import Result
from aigc_core.families.base import ModelSpec, families
from aigc_core.families.flow.model import FlowOptions
from aigc_core.modalities.image import ImageModality
from aigc_core.sampling.request import REQUEST, SampleRequest
from aigc_core.training.recipe import TrainingConfig
from aigc_core.translation import translate_error


def recipe(**settings: Any) -> Callable[[], object]:
    return lambda: parse_config(TrainingConfig, {"data": "mnist"} | settings, Sentence("Settings"))


def built(family: str, method: str, architecture: str, **settings: Any) -> Callable[[], object]:
    """A training method of a family, as a run builds it."""
    method_config = settings.get("method_config", {})
    spec = ModelSpec(
        architecture, settings.get("architecture_config", {}), ImageModality(channels=1, resolution=28), num_classes=10
    )
    return lambda: families[family].build_method(method, method_config, spec, Accelerator(cpu=True))


def gan(**method_config: Any) -> Callable[[], object]:
    return built("gan", "adversarial", "mlp", method_config=method_config)


def codes(**architecture_config: Any) -> Callable[[], object]:
    return built("vqvae", "two-phase", "convolutional", architecture_config=architecture_config)


def request(**fields: Any) -> Callable[[], object]:
    return lambda: parse_config(SampleRequest, fields, REQUEST)


def options(**values: Any) -> Callable[[], object]:
    return lambda: parse_config(FlowOptions, values, REQUEST)


def stored(**fields: Any) -> Callable[[], object]:
    return lambda: parse_config(
        CheckpointConfig, {"architecture": "mlp", "shape": {}, "dataset": ""} | fields, "'config.json'"
    )


@pytest.mark.parametrize(
    ("parse", "english", "chinese"),
    [
        (recipe(batch_sizes=3), "Settings: unknown key 'batch_sizes'; known keys are architecture", "设置：未知的键"),
        (gan(r1={"gama": 1}), "unknown key 'method_config.r1.gama'; known keys are gamma, interval.", "未知的键"),
        (
            codes(quantiser={"name": "codebook", "levels": [8]}),
            "unknown key 'architecture_config.quantiser.levels'; known keys are commitment, decay, dim, name,",
            "未知的键",
        ),
        (request(checkpoint="mnist", count=0), "Request: 'count' is wrong: it must be at least 1.", "应不小于 1。"),
        (lambda: parse_config(TrainingConfig, {}, "'x'"), "'x': 'data' is missing.", "'x'：缺少“data”。"),
        (gan(classification={}), "Settings: 'method_config.classification.weight' is missing.", "缺少“method_config"),
        (gan(r1={"gamma": {"value": 1}}), "'method_config.r1.gamma.decay_from' is missing.", "缺少“method_config.r1"),
        (recipe(seconds=0), "'seconds' is wrong: it must be greater than 0.", "“seconds”有误：应大于 0。"),
        (recipe(images=0), "'samples' is wrong: it must be at least 1.", "“samples”有误：应不小于 1。"),
        (recipe(seed=2**40), "'seed' is wrong: it must be at most 4,294,967,295.", "应不大于 4,294,967,295。"),
        (
            gan(optimizer={"betas": [1, 0.9]}),
            "'method_config.optimizer.betas.0' is wrong: it must be less than 1.",
            "应小于 1。",
        ),
        (gan(optimizer={"betas": [0, 1]}), "its values must be between 0 and 0.999999999.", "0 到 0.999999999 之间。"),
        (recipe(batch_size="big"), "'batch_size' is wrong: it must be a whole number.", "“batch_size”有误：应为整数。"),
        (recipe(batch_size=1.5), "it must be a whole number.", "应为整数。"),
        (recipe(batch_size=[1]), "it must be a whole number.", "应为整数。"),
        (recipe(batch_size="9" * 5000), "it must be a whole number.", "应为整数。"),
        (gan(r1={"gamma": "x"}), "'method_config.r1.gamma' is wrong: it must be a number.", "应为数字。"),
        (recipe(ema_half_life=[3]), "'ema_half_life' is wrong: it must be a number.", "应为数字。"),
        (recipe(seconds=float("nan")), "it must be a finite number.", "应为有限的数。"),
        (recipe(conditional="perhaps"), "it must be true or false.", "应为 true 或 false。"),
        (recipe(conditional=[]), "it must be true or false.", "应为 true 或 false。"),
        (gan(loss=3), "'method_config.loss' is wrong: it must be text.", "应为文本。"),
        (gan(loss="none"), "is wrong: there is no loss 'none', there are non_saturating", "没有名为“none”的损失"),
        (gan(r1={"gamma": -1}), "its values must be at least 0.", "取值应不小于 0。"),
        (gan(r1=3), "'method_config.r1' is wrong: it must be an object (names with values).", "应为对象"),
        (recipe(method_config=[1]), "'method_config' is wrong: it must be an object", "应为对象"),
        (options(solver="rk4"), "it must be one of 'euler', 'heun'.", "应为 'euler', 'heun' 之一。"),
        (
            codes(quantiser={"name": "x"}),
            "its 'name' must be one of 'codebook', 'finite-scalar'.",
            "其中的 'name' 应为",
        ),
        (codes(quantiser={"size": 8}), "'architecture_config.quantiser' is wrong: it needs a 'name'.", "缺少 'name'。"),
        (codes(quantiser={"name": "finite-scalar", "levels": []}), "its length must be at least 1.", "长度至少为 1。"),
        (codes(quantiser={"name": "finite-scalar", "levels": [2] * 17}), "must be at most 16.", "长度至多为 16。"),
        (
            codes(quantiser={"name": "finite-scalar", "levels": [2, 1]}),
            "'architecture_config.quantiser.levels.1' is wrong: it must be at least 2.",
            "应不小于 2。",
        ),
        (codes(quantiser={"name": "finite-scalar", "levels": 3}), "it must be a list.", "应为列表。"),
        (codes(prior={"width": 10, "heads": 4}), "'architecture_config.prior' is wrong: width must be", "width 须是"),
        (
            request(labels="x" * 20_000),
            "'labels' is wrong: it must be at most 10,000 characters long.",
            "至多为 10,000 个字符。",
        ),
        (request(prompt="\ud800"), "'prompt' is wrong: it holds letters that are not Unicode text.", "Unicode 文本"),
        (request(options=3), "Request: options must be names and values.", "请求：options 应为名称与值。"),
        (stored(class_shares=[0.5]), "'config.json': class_shares must be one share a class, 1 in all.", "总和为 1。"),
        (
            lambda: parse_config(Result, {"protocol": {}, "figures": {"fid": {"value": "x"}}}, "'eval.json'"),
            "'eval.json': 'protocol.dataset' is missing.",
            "缺少“protocol.dataset”。",
        ),
        (stored(data_hash="no hash"), "'data_hash' is wrong: string should match pattern", "“data_hash”有误：string"),
    ],
)
def test_what_is_wrong_is_said_in_both_languages(parse: Callable[[], object], english: str, chinese: str) -> None:
    with pytest.raises(AIGCError) as error:
        parse()
    assert english in str(error.value)
    assert chinese in translate_error(error.value, "zh")


def test_a_config_without_keys_says_so() -> None:
    with pytest.raises(AIGCError, match="unknown key 'steps'; known keys are none"):
        parse_config(Config, {"steps": 3}, "Request")


def test_every_reason_is_of_an_error_of_pydantics() -> None:
    assert {*REASONS} <= {*get_args(ErrorType)}
