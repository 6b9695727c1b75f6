"""Sounds: spectrograms and phases beside librosa, files as other readers see them, and what goes wrong in words."""

from __future__ import annotations

import json
import struct
import wave
from pathlib import Path

import librosa
import numpy
import pytest
import soundfile
import torch
from torch import Tensor

from aigc_core import AIGCError
from aigc_core.data.sound_files import SAMPLE_RATE
from aigc_core.evaluation.evaluate import warn_of_faults
from aigc_core.families.base import Condition, ModelSpec, SamplerOptions, families, square_map
from aigc_core.metrics.classifier import WEIGHTS_FOLDER
from aigc_core.metrics.extractors import load_extractor
from aigc_core.modalities.as_images import as_images
from aigc_core.modalities.audio.griffin_lim import griffin_lim
from aigc_core.modalities.audio.modality import AudioModality
from aigc_core.modalities.audio.spectrogram import HOP, WINDOW, magnitudes, mel_filters, transform
from aigc_core.modalities.base import build_modality
from aigc_core.modalities.provenance import Statement
from tests.toy_models import sounds_checkpoint

KIND = AudioModality(bands=64, frames=64)
STATEMENT = Statement("checkpoint=models/drums&seed=7&labels=kick,snare&count=2", "ab" * 32)


def chirp(count: int = 1) -> Tensor:
    """Sounds float32 [count, 16384]: sines that rise from different notes, with a soft noise."""
    time = torch.arange(KIND.length) / SAMPLE_RATE
    rising = [torch.sin(2 * torch.pi * (200 * (k + 1) + 900 * time) * time) for k in range(count)]
    noise = torch.randn(count, KIND.length, generator=torch.Generator().manual_seed(0))
    return 0.4 * torch.stack(rising) * torch.exp(-2 * time) + 0.01 * noise


def stored(count: int = 1) -> Tensor:
    return (chirp(count) * 32767).round().to(torch.int16)


def test_mel_filters_are_those_of_librosa() -> None:
    theirs = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=64, htk=True, norm=None)
    assert numpy.allclose(mel_filters(64), theirs, atol=1e-5)


def test_spectrograms_are_those_of_librosa_in_decibels() -> None:
    sound = chirp()
    spectra = librosa.stft(sound[0].numpy(), n_fft=WINDOW, hop_length=HOP, window="hann", pad_mode="constant")
    magnitude = numpy.abs(spectra[:, :64]) / 256  # a sine of full scale has the sum of half a window
    mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=64, htk=True, norm=None) @ magnitude
    decibels = librosa.amplitude_to_db(mel, ref=1.0, amin=1e-4, top_db=None)
    ours = KIND.to_model((sound * 32767).round().to(torch.int16))
    assert ours.shape == (1, 1, 64, 64)
    assert numpy.allclose((ours[0, 0] + 1) * 40 - 80, decibels, atol=0.05)


def test_griffin_lim_is_that_of_librosa() -> None:
    """From the same phases: zero, as librosa has them without an `init`."""
    sound = chirp()
    sound[:, -1024:] = 0  # librosa has a frame more at the end, which is empty so
    frames = transform(sound).abs()
    ours = griffin_lim(frames, torch.zeros(frames.shape[1:]), iterations=16)[0]
    theirs = librosa.griffinlim(
        numpy.pad(frames[0].numpy().astype(numpy.float64), ((0, 0), (0, 1))) * 256,
        n_iter=16,
        hop_length=HOP,
        window="hann",
        pad_mode="constant",
        momentum=0.99,
        init=None,
        length=KIND.length,
        n_fft=WINDOW,
    )
    assert numpy.allclose(ours, theirs, atol=1e-3)


def test_sounds_come_back_from_their_spectrograms() -> None:
    sounds = stored(3)
    back = KIND.to_stored(KIND.to_model(sounds))
    assert back.dtype == torch.int16 and back.shape == sounds.shape
    decibels = (KIND.to_model(back) - KIND.to_model(sounds)).abs().mean() * 40
    assert decibels < 1.0
    bands = mel_filters(64) @ magnitudes(KIND.to_model(sounds))
    wanted = mel_filters(64) @ transform(sounds.float() / 32767).abs()
    assert (bands - wanted).norm() < 0.01 * wanted.norm()


def test_a_sound_does_not_depend_on_the_others_of_its_batch() -> None:
    maps = KIND.to_model(stored(3))
    assert torch.equal(KIND.to_stored(maps)[1:2], KIND.to_stored(maps[1:2]))


@pytest.mark.parametrize(
    ("family", "architecture", "config"),
    [
        ("gan", "dcgan", {"generator_width": 4, "discriminator_width": 4, "max_width": 8}),
        ("vae", "convolutional", {"width": 4, "max_width": 8}),
        ("flow", "unet", {"widths": [16], "patch": 8}),
    ],
)
def test_families_draw_sounds_as_they_draw_images(family: str, architecture: str, config: dict) -> None:
    model = families[family].build_model(ModelSpec(architecture, config, KIND, num_classes=2)).eval()
    noise = torch.randn(2, *model.noise_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn = model.generate(noise, Condition(torch.eye(2)), model.options_type())
    assert isinstance(model.options_type(), SamplerOptions) and drawn.shape == (2, 1, 64, 64)
    assert KIND.to_stored(drawn).shape == (2, KIND.length)


def test_maps_that_are_not_square_or_no_maps_are_refused_in_a_sentence() -> None:
    with pytest.raises(AIGCError, match="square maps, and these are 32 × 64"):
        square_map(AudioModality(bands=32, frames=64))
    with pytest.raises(AIGCError, match="not text"):
        square_map(build_modality("text", {"vocabulary": "ab", "length": 8}))


# Files


def chunks(content: bytes) -> dict[bytes, bytes]:
    """The chunks of a RIFF file, walked by hand."""
    assert content[:4] == b"RIFF" and content[8:12] == b"WAVE"
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    found, place = {}, 12
    while place < len(content):
        name, length = content[place : place + 4], struct.unpack("<I", content[place + 4 : place + 8])[0]
        found[name] = content[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    return found


def vorbis_comments(content: bytes) -> dict[str, str]:
    """The comments of a FLAC file, by its format (RFC 9639, sections 8.1 and 8.6), walked by hand."""
    assert content[:4] == b"fLaC"
    place, last = 4, False
    while not last:
        last, kind = bool(content[place] & 128), content[place] & 127
        length = int.from_bytes(content[place + 1 : place + 4], "big")
        block, place = content[place + 4 : place + 4 + length], place + 4 + length
        if kind == 4:
            start = 4 + struct.unpack_from("<I", block)[0]
            (count,), start = struct.unpack_from("<I", block, start), start + 4
            pairs = []
            for _ in range(count):
                (size,) = struct.unpack_from("<I", block, start)
                pairs.append(block[start + 4 : start + 4 + size].decode().split("=", 1))
                start += 4 + size
            return {name.upper(): value for name, value in pairs}
    return {}


def test_wav_files_say_where_they_come_from_to_other_readers(tmp_path: Path) -> None:
    sounds, file = stored(2), tmp_path / "two.wav"
    KIND.write(file, sounds, STATEMENT)
    with wave.open(str(file)) as read:
        assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (16_000, 1, 2)
        assert read.readframes(10**6) == sounds.numpy().tobytes()
    info = chunks(file.read_bytes())[b"LIST"]
    assert info[:8] == b"INFOICMT" or b"ICMT" in info
    comment = info[info.index(b"ICMT") + 8 :]
    said = json.loads(comment[: struct.unpack_from("<I", info, info.index(b"ICMT") + 4)[0]].rstrip(b"\0"))
    assert said["Request"] == STATEMENT.request and said["Weights"] == STATEMENT.weights
    assert said["AIGC"]["Label"] == "1" and said["DigitalSourceType"].endswith("trainedAlgorithmicMedia")


def test_flac_files_say_the_same_in_vorbis_comments(tmp_path: Path) -> None:
    sounds, file = stored(1), tmp_path / "one.flac"
    KIND.write(file, sounds, STATEMENT)
    said = json.loads(vorbis_comments(file.read_bytes())["COMMENT"])
    assert said["Request"] == STATEMENT.request and said["AIGC"]["ContentProducer"] == "AIGC Studio"
    assert numpy.array_equal(soundfile.read(file, dtype="int16")[0], sounds[0])


@pytest.mark.parametrize("suffix", AudioModality.suffixes)
def test_inspect_reads_back_what_was_written_however_long_the_request(tmp_path: Path, suffix: str) -> None:
    file, long = tmp_path / f"one{suffix}", Statement("labels=" + "鼓,kick," * 2000, "cd" * 32)
    KIND.write(file, stored(), long)
    said = AudioModality.read_provenance(file)
    assert (said.request, said.weights, said.aigc["Label"]) == (long.request, long.weights, "1")


def test_a_sound_is_checked_by_making_it_again(tmp_path: Path) -> None:
    sounds, file = stored(2), tmp_path / "two.wav"
    KIND.write(file, sounds, STATEMENT)
    assert KIND.verify(file, lambda: sounds, 2) == "sound: made again, and it matches"
    assert "within 3 of" in KIND.verify(file, lambda: sounds + 3, 2)
    changed = sounds.clone()
    changed[1, 5000] += 2000
    with pytest.raises(AIGCError, match="differ by up to 2,000"):
        KIND.verify(file, lambda: changed, 2)
    with pytest.raises(AIGCError, match="the file has 32,768 in 1"):
        KIND.verify(file, lambda: sounds[:1], 1)


def test_files_of_others_say_nothing_and_damaged_ones_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "other.wav"
    soundfile.write(file, stored()[0].numpy(), SAMPLE_RATE)
    with pytest.raises(AIGCError, match="carries no request"):
        AudioModality.read_provenance(file)
    file.write_bytes(b"no sound at all")
    with pytest.raises(AIGCError, match="cannot be read as a sound"):
        AudioModality.read_provenance(file)
    with pytest.raises(AIGCError, match="cannot be read as a sound"):
        AudioModality.read_provenance(tmp_path / "missing.wav")
    KIND.write(file, stored(), STATEMENT)
    file.write_bytes(file.read_bytes().replace(b'"Request"', b'"Bequest"'))
    with pytest.raises(AIGCError, match="damaged"):
        AudioModality.read_provenance(file)


# What goes wrong


def test_silence_clipping_and_collapse_are_said_in_words() -> None:
    sounds = stored(4)
    assert KIND.warning(sounds) is None
    silent = sounds.clone()
    silent[0] = 3
    assert KIND.warning(silent) == "25% of the samples are silent."
    clipped = (sounds.int() * 40).clamp(-32767, 32767).to(torch.int16)
    assert str(KIND.warning(clipped)).startswith("100% of the samples are clipped")
    assert "collapsed" in str(KIND.warning(sounds[:1].expand(4, -1)))


@pytest.mark.parametrize(("level", "said"), [(-1.0, "are silent"), (1.0, "are clipped"), (0.0, "collapsed")])
def test_an_evaluation_says_what_is_wrong_with_sounds(level: float, said: str) -> None:
    """Of models that put out the same level, whatever the noise."""
    checkpoint = sounds_checkpoint("kick", "snare")
    last = [layer for layer in checkpoint.model.modules() if isinstance(layer, torch.nn.ConvTranspose2d)][-1]
    with torch.no_grad():
        last.weight.zero_()
        torch.nn.init.constant_(last.get_parameter("bias"), level)
    with pytest.warns(UserWarning, match=said):
        warn_of_faults(checkpoint)


def test_spectrograms_are_pictures_with_low_notes_at_the_bottom() -> None:
    time = torch.arange(KIND.length) / SAMPLE_RATE
    low = (torch.sin(2 * torch.pi * 150 * time) * 20_000).to(torch.int16)[None]
    pictures = KIND.pictures(low)
    assert pictures.shape == (1, 3, 64, 64) and pictures.dtype == torch.uint8
    assert pictures[0, :, -10:].float().mean() > 5 * pictures[0, :, :10].float().mean()


@pytest.mark.parametrize("name", ["drums", "digits"])
def test_the_classifiers_of_sounds_fit_their_cards(name: str) -> None:
    extractor = load_extractor(f"{name}-classifier")
    card = json.loads((WEIGHTS_FOLDER / f"{name}.json").read_text())
    features, logits = extractor.extract(as_images(KIND, stored(2)))
    assert logits.shape == (2, card["num_classes"]) and features.shape == (2, 4 * card["width"])
    assert extractor.dataset == name and card["test_accuracy"] > 0.8


def test_spectrograms_lose_little_as_images() -> None:
    maps = KIND.to_model(stored(2))
    images = as_images(KIND, stored(2))
    assert images.dtype == torch.uint8 and (images.float() / 127.5 - 1 - maps).abs().max() <= 1 / 255 + 1e-6
