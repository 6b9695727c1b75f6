"""`drums`: single strokes of kick, snare, hat, tom and cymbal, from the parts of two Debian packages that are in the
public domain (CC0), varied.

There are about fifty such recordings, too few to learn from. Each is played at many speeds, with faster and slower
decays and brighter and duller: `VARIATIONS` of each class in all. The test split is of other recordings than the
training split.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy

from aigc_core.data.datasets import data_folder
from aigc_core.data.packages import debian_package
from aigc_core.data.sound_files import SAMPLE_RATE, read_sound, resampled
from aigc_core.data.sounds import NamedSounds, Sounds, named_sounds, prepared, store_sounds, stored_sounds
from aigc_core.errors import AIGCError

CLASSES = ("kick", "snare", "hat", "tom", "cymbal")
PACKAGES = ("sonic-pi-samples", "hydrogen-drumkits")
VARIATIONS = {"train": 400, "test": 100}
"""Of each class."""
TEST_EVERY = 4
"""One recording of so many is for the test split."""
# The names of files that the packages' copyright files say are CC0 1.0: of Sonic Pi's samples, and the kit Audiophob.
RECORDINGS = {
    "kick": r"bd_(808|ada|boom|fat|gas|haus|klub|pure|sone|tek|zome|zum)|drum_bass_(hard|soft)|drum_heavy_kick"
    r"|elec_(hollow|soft)_kick",
    "snare": r"sn_(dolf|dub|zome)|drum_snare_(hard|soft)|elec_(filt_|hi_|lo_|mid_|)snare|124382__cubix__8bit-snare"
    r"|25671__walter-odington__garage-city-snare-snappy",
    "hat": r"drum_cymbal_(closed|open|pedal)|104227__minorr__hhat-paiste-302-14-open-p|116973__cbeeching__hat-light"
    r"|16336__sstokes__ss-ht-crunchtime",
    "tom": r"drum_tom_(hi|mid|lo)_(hard|soft)|elec_fuzz_tom|101450__menegass__tomh|86335__zgump__tom-0105"
    r"|9993[01]__menegass__noise-tom[01]",
    "cymbal": r"drum_cymbal_(hard|soft)|drum_splash_(hard|soft)|elec_cymbal|124101__connersaw8__crash",
}
MAX_SEMITONES = 5
FASTEST_DECAY = 6
"""What is added at most to the rate of a sound's decay, a second."""
MAX_TILT = 0.6
"""Of a difference with the sample before, which makes brighter; a sum makes duller."""
LICENCE = "CC0 1.0"
SOURCE = "Sonic Pi's samples and the drum kit Audiophob (Debian sonic-pi-samples, hydrogen-drumkits), varied"


def fetch_drums() -> None:
    """Put the sounds where `read_drums` finds them. Raises AIGCError where the packages cannot be had."""
    if all(_stored(split).is_file() for split in VARIATIONS):
        return
    found: dict[str, numpy.ndarray] = {}
    for package in PACKAGES:
        try:
            with debian_package(package, data_folder()) as unpacked:
                found |= {path.stem: read_sound(path) for path in sorted(unpacked.rglob("*")) if _class_of(path.stem)}
        except (OSError, subprocess.SubprocessError):
            raise AIGCError(
                "'{name}' could not be fetched by `apt-get download {package}`; check the network and that apt-get is "
                "there.",
                name="drums",
                package=package,
            ) from None
    for split, count in VARIATIONS.items():
        waves, labels = [], []
        for label, kind in enumerate(CLASSES):
            recordings = [found[name] for name in sorted(found) if _class_of(name) == kind]
            chosen = [samples for row, samples in enumerate(recordings) if (row % TEST_EVERY == 1) == (split == "test")]
            waves += list(variations(chosen, count, (label, split == "test")))
            labels += [label] * count
        store_sounds(_stored(split), Sounds("drums", waves, labels, CLASSES, LICENCE, SOURCE))


def variations(recordings: list[numpy.ndarray], count: int, key: tuple[int, ...]) -> Iterator[numpy.ndarray]:
    """So many sounds int16 of recordings float32 [S], in turn; each at first as it is, then varied by `key`."""
    draw = numpy.random.default_rng(key)
    for number in range(count):
        samples = recordings[number % len(recordings)]
        if number >= len(recordings):
            semitones, decay, tilt = draw.uniform(-1, 1, 3)
            samples = resampled(samples, round(SAMPLE_RATE * 2 ** (MAX_SEMITONES * semitones / 12) / 100) * 100)
            samples = samples * numpy.exp(-max(0.0, decay) * FASTEST_DECAY * numpy.arange(len(samples)) / SAMPLE_RATE)
            samples[1:] -= MAX_TILT * tilt * samples[:-1]
        yield prepared(samples.astype(numpy.float32))


def _class_of(name: str) -> str:
    """The class of a recording by its file's name; empty if it is none."""
    return next((kind for kind, pattern in RECORDINGS.items() if re.fullmatch(pattern, name)), "")


def read_drums(split: str) -> Sounds:
    """A split. Raises AIGCError if it was not fetched."""
    return stored_sounds(_stored(split))


def _stored(split: str) -> Path:
    return data_folder() / "drums" / f"{split}.safetensors"


named_sounds.register("drums", NamedSounds(read_drums, fetch_drums))
