"""`digits`: the English words zero to nine, synthesised by eSpeak NG in many voices.

No person speaks here. A voice is a variant of eSpeak's in one of several accents, and says each digit at two speeds; a
sixth of the variants are for the test split alone. eSpeak NG is a program under the GPL, which is called to make the
sounds; it comes with the Python package espeakng-loader.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy
from tqdm import tqdm

from aigc_core.data.datasets import data_folder
from aigc_core.data.sound_files import SILENCE, resampled
from aigc_core.data.sounds import NamedSounds, Sounds, named_sounds, prepared, store_sounds, stored_sounds
from aigc_core.errors import AIGCError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en", "en-gb-scotland", "en-029")
WORDS_PER_MINUTE = (150, 190)
LICENCE = "synthesised by eSpeak NG, whose output its licence does not bind"
SOURCE = "eSpeak NG, by the Python package espeakng-loader: synthetic voices, no recordings of people"
SEED = 1
"""Of the noise in breathy voices. A word also depends on those said before it, whose order is fixed."""
# What speak_lib.h of eSpeak NG calls these.
AUDIO_OUTPUT_SYNCHRONOUS, ESPEAK_RATE, ESPEAK_CHARS_UTF8 = 2, 1, 1
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Speaker:
    """eSpeak NG, loaded into this process."""

    def __init__(self) -> None:
        try:
            import espeakng_loader  # an extra, which only this needs
        except ImportError:
            raise AIGCError(
                "'{name}' is synthesised by eSpeak NG; run `pip install espeakng-loader` first.", name="digits"
            ) from None
        data = Path(espeakng_loader.get_data_path())
        self.variants = sorted(path.name for path in (data / "voices" / "!v").iterdir())
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate = self._library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, str(data.parent).encode(), 0)
        self._spoken: list[numpy.ndarray] = []
        self._callback = Callback(self._receive)  # kept, as the library calls it later
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int) -> int:
        if samples and count:
            self._spoken.append(numpy.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, word: str, voice: str, words_per_minute: int) -> numpy.ndarray:
        """A word as float32 [S] at SAMPLE_RATE; nothing where the voice does not speak."""
        self._spoken.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            return numpy.zeros(0, numpy.float32)
        self._library.espeak_SetParameter(ESPEAK_RATE, words_per_minute, 0)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(SEED))
        text = word.encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, 1, 0, ESPEAK_CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        spoken = numpy.concatenate([numpy.zeros(0, numpy.int16), *self._spoken]).astype(numpy.float32) / 32768
        return resampled(spoken, self.rate) if len(spoken) else spoken


def fetch_digits() -> None:
    """Put the sounds where `read_digits` finds them. Raises AIGCError without the package."""
    if all(_stored(split).is_file() for split in ("train", "test")):
        return
    speaker = Speaker()
    for split in ("train", "test"):
        variants = [name for name in speaker.variants if is_test_voice(name) == (split == "test")]
        spoken = list(_spoken(speaker, variants))
        waves, labels = [wave for wave, _ in spoken], [label for _, label in spoken]
        store_sounds(_stored(split), Sounds("digits", waves, labels, WORDS, LICENCE, SOURCE))


def is_test_voice(variant: str) -> bool:
    """Whether a variant of eSpeak's voices is for the test split."""
    return hashlib.sha256(variant.encode()).digest()[0] < 256 / 6


def _spoken(speaker: Speaker, variants: list[str]) -> Iterator[tuple[numpy.ndarray, int]]:
    for variant in tqdm(variants, "speaking", unit=" voices"):
        for accent in ACCENTS:
            for words_per_minute in WORDS_PER_MINUTE:
                for label, word in enumerate(WORDS):
                    samples = speaker.say(word, f"{accent}+{variant}", words_per_minute)
                    if len(samples) and abs(samples).max() > SILENCE:
                        yield prepared(samples), label


def read_digits(split: str) -> Sounds:
    """A split. Raises AIGCError if it was not made."""
    return stored_sounds(_stored(split))


def _stored(split: str) -> Path:
    return data_folder() / "digits" / f"{split}.safetensors"


named_sounds.register("digits", NamedSounds(read_digits, fetch_digits))
