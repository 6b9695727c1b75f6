"""Spoken words that Whisper understands, or not; and sounds' own metrics beside what an extractor sees of them."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy
import pytest
import soundfile
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from aigc_core.data.named_sounds.digits import WORDS, Speaker
from aigc_core.data.sound_files import SAMPLE_RATE
from aigc_core.data.sounds import prepared
from aigc_core.evaluation.evaluate import evaluate
from aigc_core.evaluation.results import SAMPLING_SEED
from aigc_core.metrics.catalogue import FIGURES
from aigc_core.metrics.estimate import Estimate, MetricInfo
from aigc_core.metrics.sounds.understood import heard_class, understood
from aigc_core.metrics.stored import Comparison, StoredMetric, stored_by_name
from aigc_core.modalities.audio import AudioModality
from tests.toy_models import sounds_checkpoint

KIND = AudioModality(bands=64, frames=64)


@pytest.fixture(scope="module")
def words() -> Tensor:
    """Each digit by one voice: int16 [10, 16384]."""
    speaker = Speaker()
    waves = torch.zeros(len(WORDS), 16_384, dtype=torch.int16)
    for row, word in enumerate(WORDS):
        said = torch.from_numpy(prepared(speaker.say(word, "en-us", 150)))
        waves[row, : len(said)] = said[:16_384]
    return waves


def compared(waves: Tensor, classes: list[int], names: tuple[str, ...] = WORDS) -> Comparison:
    asked = one_hot(torch.tensor(classes), len(WORDS)).float()
    return Comparison(waves, waves, waves, KIND, classes=asked, class_names=names)


@pytest.mark.skipif(not find_spec("faster_whisper"), reason="faster-whisper is not installed")
def test_words_are_understood_as_they_were_said(words: Tensor) -> None:
    assert [heard_class(wave, WORDS) for wave in words] == list(range(10))
    half_wrong = understood(compared(words, [0, 1, 2, 3, 4, 6, 7, 8, 9, 5]))
    assert half_wrong and half_wrong.value == 0.5 and half_wrong.low < 0.3
    assert understood(compared(words, list(range(10)), ())) is None


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A folder of 24 sine waves in two classes."""
    time = numpy.arange(8000) / SAMPLE_RATE
    for name, hertz in (("high", 2000), ("low", 200)):
        (tmp_path / name).mkdir()
        for number in range(12):
            sound = 0.3 * numpy.sin(2 * numpy.pi * (hertz + 20 * number) * time)
            soundfile.write(tmp_path / name / f"{number}.wav", sound, SAMPLE_RATE)
    return tmp_path


def test_sounds_own_metrics_stand_beside_what_an_extractor_sees(tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loudness(compared: Comparison) -> Estimate:
        assert compared.class_names == ("high", "low") and compared.classes is not None
        assert compared.classes.shape == (len(compared.samples), 2)
        return Estimate.of_error(compared.samples.float().abs().mean().item(), 1.0)

    info = MetricInfo("Loudness", "higher", "sounds", "None.", "How loud it is.")
    for name, package in (("loudness", "torch"), ("unheard", "a-package-that-nobody-has")):
        monkeypatch.setitem(FIGURES, name, info)
        monkeypatch.setitem(stored_by_name, name, StoredMetric(info, "audio", loudness, True, (package,)))
    checkpoint = sounds_checkpoint("high", "low")
    result = evaluate(
        checkpoint,
        reference=str(tones),
        extractor="drums-classifier",
        num_samples=60,
        metrics=["loudness", "unheard"],
    )
    drawn = checkpoint.sample(seed=SAMPLING_SEED, count=60).stored
    real = checkpoint.modality.load_split(str(tones), "train").samples
    assert result.figures["loudness"].value == pytest.approx(drawn.float().abs().mean().item())
    assert result.real_figures["loudness"].value == pytest.approx(real.float().abs().mean().item())
    assert set(result.figures) == {"loudness"}
    assert result.versions["torch"] == version("torch")
    assert [str(sentence) for sentence in result.not_measured(["loudness", "unheard"])] == [
        "Loudness was not measured; it needs sounds."
    ]
