"""Folders of sounds: what is read of them, and one sentence for each kind of file that cannot be used."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import soundfile
import torch

from aigc_core import AIGCError
from aigc_core.data import sound_files
from aigc_core.data.named_sounds.drums import RECORDINGS, variations
from aigc_core.data.sound_files import SAMPLE_RATE, read_sound
from aigc_core.data.sounds import Sounds, load_sounds, prepared, store_sounds, stored_sounds
from aigc_core.modalities.audio.modality import AudioModality

ROOT = Path(__file__).parents[2]


def sine(hertz: float = 440, seconds: float = 0.5, rate: int = SAMPLE_RATE) -> numpy.ndarray:
    return 0.5 * numpy.sin(2 * numpy.pi * hertz * numpy.arange(round(seconds * rate)) / rate).astype(numpy.float32)


def hertz_of(samples: numpy.ndarray) -> float:
    """The strongest frequency of samples at SAMPLE_RATE."""
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_sounds_of_any_rate_keep_their_pitch(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", sine(rate=rate), rate)
    samples = read_sound(tmp_path / "a.wav")
    assert abs(len(samples) - 8000) <= 2 and abs(hertz_of(samples) - 440) < 3
    assert abs(abs(samples).max() - 0.5) < 0.05


def as_bits(file: Path) -> None:
    soundfile.write(file, sine(), SAMPLE_RATE, subtype="PCM_U8")


def as_seven_channels(file: Path) -> None:
    soundfile.write(file, numpy.stack([sine()] * 7, 1), SAMPLE_RATE)


def as_mp3(file: Path) -> None:
    soundfile.write(file.with_suffix(".mp3"), sine(), SAMPLE_RATE)
    file.with_suffix(".mp3").rename(file)


def as_unfinished(file: Path) -> None:
    """As a program leaves it that writes to a pipe."""
    soundfile.write(file, sine(), SAMPLE_RATE)
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + struct.pack("<I", 2**32 - 1) + whole[44:])


@pytest.mark.parametrize("written", [as_bits, as_seven_channels, as_mp3, as_unfinished])
def test_unusual_files_are_read_as_what_they_are(tmp_path: Path, written: Callable[[Path], None]) -> None:
    written(tmp_path / "a.wav")
    samples = read_sound(tmp_path / "a.wav")
    assert abs(hertz_of(samples[:8000]) - 440) < 3 and 8000 <= len(samples) < 11_000
    if written is not as_mp3:  # which loses a little, and adds some at both ends
        assert abs(samples - sine()).max() < 0.01


def with_rate(content: bytes, rate: int) -> bytes:
    """A WAV file whose header claims so many samples a second."""
    return content[:24] + struct.pack("<I", rate) + content[28:]


def sound_of(samples: numpy.ndarray, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """What a file of these samples holds."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format=kind, subtype=subtype)
    return file.getvalue()


CANNOT_BE_USED: dict[str, tuple[Callable[[], bytes], str]] = {
    "silent": (lambda: sound_of(numpy.zeros(8000, numpy.float32)), "is silent."),
    "no samples": (lambda: sound_of(numpy.zeros(0, numpy.float32)), "is silent."),
    "empty": (lambda: b"", "cannot be read as a sound"),
    "nothing but a name": (lambda: b"RIFF", "cannot be read as a sound"),
    "a text": (lambda: b"To be, or not to be" * 50, "cannot be read as a sound"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), "cannot be read as a sound"),
    "no sound": (lambda: b"\xff\xfb" * 50, "cannot be read as a sound"),
    "truncated header": (lambda: sound_of(sine())[:20], "cannot be read as a sound"),
    "truncated WAV": (lambda: sound_of(sine())[:-5000], "5,000 bytes of its sound are missing"),
    "truncated AIFF": (lambda: sound_of(sine(), "AIFF")[:-5000], "5,000 bytes of its sound are missing"),
    "truncated AU": (lambda: sound_of(sine(), "AU")[:-5000], "5,000 bytes of its sound are missing"),
    "truncated FLAC": (lambda: sound_of(sine(), "FLAC")[:-5000], "cannot be read as a sound"),
    "truncated Ogg": (lambda: sound_of(sine(), "OGG")[:2000], "cannot be read as a sound"),
    "0 Hz": (lambda: with_rate(sound_of(sine()), 0), "its header claims 0 samples a second"),
    "7 Hz": (lambda: with_rate(sound_of(sine()), 7), "claims 7 samples a second"),
    "2 GHz": (lambda: with_rate(sound_of(sine()), 2**31 - 1), "claims 2,147,483,647 samples a second"),
    "nothing that 16 kHz can hold": (lambda: with_rate(sound_of(sine(7000)), 48_000), "has nothing below 8,000 Hz"),
    "beyond all measure": (
        lambda: sound_of(numpy.float32(3e38) * numpy.sign(sine()), "WAV", "FLOAT"),
        "has samples of over 1,000,000",
    ),
    "not finite": (lambda: sound_of(numpy.full(8000, numpy.nan, numpy.float32), "WAV", "FLOAT"), "no numbers"),
}


@pytest.mark.parametrize("name", CANNOT_BE_USED)
def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, said = CANNOT_BE_USED[name]
    file = tmp_path / "a.wav"
    file.write_bytes(content())
    with pytest.raises(AIGCError) as raised:
        read_sound(file)
    assert str(file) in str(raised.value) and str(raised.value).count(". ") == 0 and said in str(raised.value)
    with pytest.raises(AIGCError, match="No sound in .* can be used"):
        load_sounds(str(tmp_path), "train")


def write_ten_hours(file: Path) -> None:
    """By the header, and the size of a file that is all holes."""
    frames = 10 * 3600 * SAMPLE_RATE
    mono = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE, 1, 8)
    header = struct.pack("<4sI4s", b"RIFF", 36 + frames, b"WAVE") + mono + struct.pack("<4sI", b"data", frames)
    with file.open("wb") as long:
        long.write(header)
        long.truncate(len(header) + frames)


def test_ten_hours_are_refused_before_they_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ten_hours(tmp_path / "a.wav")
    monkeypatch.setattr(sound_files.soundfile.SoundFile, "read", None)
    with pytest.raises(AIGCError, match="lasts 600 minutes, and a sound 10 at most; cut it into pieces"):
        read_sound(tmp_path / "a.wav")
    with pytest.raises(AIGCError, match="makes 16,384 samples in one channel, the file has 576,000,000 in 1"):
        AudioModality(bands=64, frames=64).verify(tmp_path / "a.wav", lambda: torch.zeros(1, 16_384), 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten sounds each, one of which is broken."""
    for kind, hertz in (("low", 200), ("high", 2000)):
        (tmp_path / kind).mkdir()
        for number in range(10):
            soundfile.write(tmp_path / kind / f"{number}.wav", sine(hertz + 10 * number), SAMPLE_RATE)
    (tmp_path / "low" / "0.wav").write_bytes(b"RIFF")
    return tmp_path


def test_the_names_of_folders_are_classes_and_broken_files_are_named(folder: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 of 20 sounds were left out: '.*0\.wav' cannot be read"):
        train, test = (load_sounds(str(folder), split) for split in ("train", "test"))
    assert train.class_names == ("high", "low") and len(train.waves) + len(test.waves) == 19
    for wave, label in zip(train.waves, train.labels):
        assert (hertz_of(wave / 32768) > 1000) == (train.class_names[label] == "high")
    heard = {wave.tobytes() for wave in train.waves}
    assert all(wave.tobytes() not in heard for wave in test.waves)


def test_folders_without_a_sound_that_can_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AIGCError, match=r"no set of sounds or folder .*; name a folder .* digits, drums"):
        load_sounds(str(tmp_path / "missing"), "train")
    with pytest.raises(AIGCError, match="holds no .wav, .flac"):
        load_sounds(str(tmp_path), "train")
    (tmp_path / "a.wav").write_bytes(b"nothing")
    with pytest.raises(AIGCError, match="No sound in .* can be used: .* cannot be read as a sound"):
        load_sounds(str(tmp_path), "train")


def test_sounds_are_trimmed_and_about_as_loud(tmp_path: Path) -> None:
    quiet = numpy.concatenate([numpy.zeros(4000, numpy.float32), 0.01 * sine(), numpy.zeros(4000, numpy.float32)])
    wave, louder = prepared(quiet), prepared(sine())
    assert abs(len(wave) - 8000) < 10
    loudest = numpy.sqrt(numpy.mean((wave[:800] / 32767.0) ** 2))
    assert abs(loudest - 0.2) < 0.005 and abs(wave[100:7900].astype(int) - louder[101:7901]).max() < 2000
    click = numpy.zeros(8000, numpy.float32)
    click[4000] = 0.001
    assert prepared(click).max() == round(0.95 * 32767)


def test_sounds_become_one_length_and_long_ones_fade_out(folder: Path) -> None:
    soundfile.write(folder / "low" / "0.wav", sine(200, seconds=3), SAMPLE_RATE)
    kind, dataset = AudioModality.load(str(folder), {"bands": 32, "frames": 32})
    assert kind.length == 8192 and dataset.samples.shape[1] == 8192
    assert dataset.class_names == ("high", "low") and dataset.samples[:, 8100:].abs().amax() < 8000
    assert set(dataset.labels.tolist()) == {0, 1}


def test_named_sets_are_stored_and_read_again(tmp_path: Path) -> None:
    sounds = Sounds("drums", [prepared(sine(200)), prepared(sine(900, 0.1))], [0, 1], ("kick", "hat"), "CC0", "here")
    store_sounds(tmp_path / "drums" / "train.safetensors", sounds)
    again = stored_sounds(tmp_path / "drums" / "train.safetensors")
    assert all(numpy.array_equal(ours, theirs) for ours, theirs in zip(again.waves, sounds.waves))
    assert (again.labels, again.class_names, again.licence) == ([0, 1], ("kick", "hat"), "CC0")
    (tmp_path / "drums" / "train.safetensors").write_bytes(b"damaged")
    with pytest.raises(AIGCError, match="is damaged"):
        stored_sounds(tmp_path / "drums" / "train.safetensors")
    with pytest.raises(AIGCError, match="fetch it with `python -m aigc_core data drums`"):
        stored_sounds(tmp_path / "drums" / "test.safetensors")


def test_variations_begin_with_the_recordings_and_differ_by_their_key_alone() -> None:
    recordings = [sine(200), sine(900)]
    made = list(variations(recordings, 6, (1,)))
    assert numpy.array_equal(made[0], prepared(recordings[0])) and numpy.array_equal(made[1], prepared(recordings[1]))
    assert len({wave.tobytes() for wave in made}) == 6
    assert all(map(numpy.array_equal, made, variations(recordings, 6, (1,))))
    assert not numpy.array_equal(made[2], list(variations(recordings, 6, (2,)))[2])
    assert sorted(RECORDINGS) == ["cymbal", "hat", "kick", "snare", "tom"]


SAY = """
import hashlib
from aigc_core.data.named_sounds.digits import Speaker
speaker = Speaker()
spoken = [speaker.say(word, "en-us+whisper", 150) for word in ("three", "seven")]
print(hashlib.sha256(b"".join(samples.tobytes() for samples in spoken)).hexdigest(), *map(len, spoken))
"""


def test_digits_are_spoken_the_same_by_every_process() -> None:
    """The breath of this voice is noise, which eSpeak would seed by the clock."""
    said = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", SAY], cwd=ROOT, capture_output=True, text=True, check=True)
        said.append(done.stdout)
        time.sleep(1.1)
    assert said[0] == said[1] and all(int(length) > 4000 for length in said[0].split()[1:])
