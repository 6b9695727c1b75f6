"""Every sentence that users read is in the catalogue of translations, and every translation belongs to one."""

import ast
import importlib
import os
import pickle
import pkgutil
import re
import subprocess
import sys
import warnings
from pathlib import Path
from string import Formatter

import pytest

import aigc_core.families
from aigc_core.data.folders import image_paths
from aigc_core.demo.options import control_of
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import SamplerOptions
from aigc_core.modalities.audio import AudioModality
from aigc_core.modalities.image import ImageModality
from aigc_core.modalities.text import TextModality
from aigc_core.training.resume import check_data
from aigc_core.translation import chinese, translate, translate_error, translate_warning
from tests.catalogue import ROOT, calls, extracted, sources, stored
from tests.toy_models import toy_checkpoint

CHINESE = "\u3400-\u9fff"
MESSAGES = [message for message in stored() if message.id]


def places(template: str) -> list[tuple[str, str, str]]:
    """The {names} of a template with their formats, in alphabetical order."""
    fields = Formatter().parse(template)
    return sorted((name, spec or "", change or "") for _, name, spec, change in fields if name is not None)


def half_width(translation: str) -> list[str]:
    """Half-width punctuation beside Chinese characters or places, and half-width brackets around them."""
    prose = re.sub(r"{[^{}]*}", "值", re.sub(r"`[^`]*`", "", translation))
    beside = re.findall(rf"[{CHINESE}”）][,;:?!()]|[,;:?!()][{CHINESE}“（]", prose)
    return beside + re.findall(rf"\([^()]*[{CHINESE}][^()]*\)|[{CHINESE}”）]\.(?![\w…])", prose)


def test_the_catalogue_has_the_sentences_of_the_code_and_no_others() -> None:
    """Where this fails, run `python -m tests.catalogue` and translate what is new."""
    catalogued, said = {message.id for message in MESSAGES}, set(extracted())
    assert not said - catalogued and not catalogued - said


def test_translations_have_the_places_of_their_sentences_and_full_width_punctuation() -> None:
    for message in MESSAGES:
        english, translation = str(message.id), str(message.string)
        assert translation and not message.fuzzy, f"No translation: {english}"
        assert places(translation) == places(english), translation
        assert not half_width(translation), translation


def test_half_width_punctuation_is_found() -> None:
    assert half_width("种子,模型") and half_width("模型(私有)") and half_width("请重试.") and half_width("{name}:没有")
    assert not half_width("种子，FID（私有）。0:0.7+3:0.3 与 `--out`…")


def test_no_error_is_made_of_a_filled_text() -> None:
    """An f-string would reach the catalogue's lookup with its values in it."""
    filled = [
        f"{path}:{call.lineno}"
        for path in sources()
        for call in calls(path)
        if isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
    ]
    assert not filled


def test_an_error_is_translated_with_what_it_quotes() -> None:
    inner = "There is no folder '{folder}'."
    outer = "There is nothing to compare with: {error} Name real images with --reference."
    error = AIGCError(outer, error=AIGCError(inner, folder="a{b}"))
    assert str(error) == translate_error(error, "en") == outer.format(error="There is no folder 'a{b}'.")
    in_chinese = chinese()[outer].format(error=chinese()[inner].format(folder="a{b}"))
    assert translate_error(error, "zh") == in_chinese != str(error)
    assert translate_error(pickle.loads(pickle.dumps(error)), "zh") == in_chinese


def test_each_part_of_a_list_is_translated(tmp_path: Path) -> None:
    for name in ("1.txt", "2.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(AIGCError) as left_out:
        image_paths(tmp_path)
    said = translate_error(left_out.value, "zh")
    assert said.endswith("其中有 .txt 2 个、隐藏文件 1 个。")
    config = toy_checkpoint().config
    with pytest.raises(AIGCError) as changed:
        check_data(tmp_path, config, (*config.class_names, "not UTF-8: \udc80"), config.data_hash)
    said = translate_error(changed.value, "zh")
    assert re.search(r"：class_names 原为 [^；]*，现为 [^；]*not UTF-8: \?。", said)


@pytest.mark.parametrize(
    ("locale", "sentence"), [("zh_CN.UTF-8", "没有名为“none”的预设；有 "), ("en_GB.UTF-8", "There is no preset")]
)
def test_a_terminal_is_told_in_its_language(locale: str, sentence: str) -> None:
    command = [sys.executable, "-m", "aigc_core", "train", "--preset", "none", "--out", "unused"]
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {sentence}")


def test_a_warning_is_translated_and_one_of_a_library_is_not() -> None:
    with pytest.warns(UserWarning) as caught:
        warnings.warn(
            Sentence(
                "{figure} was not measured. {reason}", figure=Sentence("Memorisation"), reason=Sentence("samples")
            ),
            stacklevel=1,
        )
        warnings.warn("a library's own", stacklevel=1)
    told = [translate_warning(warning.message, "zh") for warning in caught]
    assert told == ["未测量记忆率。样本", "a library's own"]


def test_warnings_are_sentences() -> None:
    """What a modality warns of, and a result, are ones by their type."""
    plain = [
        f"{path}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
        if not re.match(r"Sentence\(|fault$|sentence$", ast.unparse(node.args[0]))
    ]
    assert not plain


def test_numbers_keep_their_format_and_unknown_sentences_their_english() -> None:
    few = Sentence("Measured on {paths:,} paths, whatever the number of samples.", paths=1000)
    assert few == "Measured on 1,000 paths, whatever the number of samples."
    assert "1,000" in translate(few, "zh") != few
    assert translate("Said by a plugin.", "zh") == "Said by a plugin."
    assert translate_error(AIGCError("{thing} broke.", thing="It"), "zh") == "It broke."


def options_types() -> list[type[SamplerOptions]]:
    """The sampling options of all families that ship."""
    for module in pkgutil.walk_packages(aigc_core.families.__path__, "aigc_core.families."):
        importlib.import_module(module.name)
    found, waiting = [], [SamplerOptions]
    while waiting:
        waiting += waiting[0].__subclasses__()
        found.append(waiting.pop(0))
    return [each for each in found if each.__module__.startswith("aigc_core.")]


def test_options_are_explained_in_chinese() -> None:
    same_in_chinese = {"Top k", "Top p"}
    controls = [
        control
        for options in options_types()
        for name, field in options.model_fields.items()
        if (control := control_of(name, field))
    ]
    assert {"truncation", "temperature", "steps", "guidance", "solver", "acrostic"} <= {each.name for each in controls}
    for control in controls:
        for said in (control.title, control.description):
            assert said in same_in_chinese or translate(said, "zh") != said, f"{control.name}: {said!r}"


def test_kinds_of_samples_are_described_in_chinese() -> None:
    kinds = [
        ImageModality(channels=1, resolution=28),
        ImageModality(channels=3, resolution=32),
        TextModality(vocabulary="ab", length=9),
        AudioModality(bands=64, frames=64),
    ]
    for kind in kinds:
        for said in (kind.describe(), kind.plural):
            assert not re.search("[A-Za-z]{2}", translate(said, "zh"))
