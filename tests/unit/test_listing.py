"""What lies in folders of sounds and texts, and in zips of images, beside what is used; names that are not UTF-8."""

from __future__ import annotations

import io
import os
from pathlib import Path
from zipfile import ZipFile

import numpy
import pytest
import soundfile
from PIL import Image

from aigc_core import AIGCError
from aigc_core.data.corpora import load_corpus
from aigc_core.data.folders import image_paths
from aigc_core.data.sample_files import open_samples
from aigc_core.data.sound_files import SAMPLE_RATE, read_sound
from aigc_core.data.sounds import load_sounds
from aigc_core.demo.training_data import kind_of

NOISE = numpy.random.default_rng(0)


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        soundfile.write(file, NOISE.uniform(-0.5, 0.5, 8000), SAMPLE_RATE, format="WAV")


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(NOISE.integers(0, 256, (32, 32, 3), dtype=numpy.uint8)).save(file, "PNG")
    return file.getvalue()


def test_linked_classes_of_sounds_are_followed_and_others_counted(tmp_path: Path) -> None:
    for number in range(30):
        sound(tmp_path / "elsewhere" / f"{number}.wav")
        sound(tmp_path / "sounds" / "low" / f"{number}.wav")
    (tmp_path / "sounds" / "high").symlink_to(tmp_path / "elsewhere")
    sound(tmp_path / "sounds" / "beside.wav")
    for number in range(5):
        (tmp_path / "sounds" / "low" / f"{number}.m4a").write_bytes(b"other")
    os.mkfifo(tmp_path / "sounds" / "low" / "pipe.wav")
    with pytest.warns(UserWarning) as caught:
        sounds = load_sounds(str(tmp_path / "sounds"), "train")
    said = " ".join(str(each.message) for each in caught)
    assert sounds.class_names == ("high", "low") and {*sounds.labels} == {0, 1}
    assert "6 files beside the 61 sounds" in said and "5 .m4a" in said and "1 pipes, sockets and devices" in said
    assert "1 sounds lie beside the class folders" in said


def test_the_kind_of_linked_folders_is_known(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(png())
    (tmp_path / "data").mkdir()
    for name in ("one", "two"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    assert kind_of(str(tmp_path / "data")) == "image"


def test_linked_folders_of_texts_are_followed_and_others_counted(tmp_path: Path) -> None:
    for folder in ("elsewhere", "texts/own"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(30):
            (tmp_path / folder / f"{number}.txt").write_text(f"{folder} {number}")
    (tmp_path / "texts" / "linked").symlink_to(tmp_path / "elsewhere")
    for name in ("a.rst", "b.rst", ".hidden.txt"):
        (tmp_path / "texts" / name).write_text("other")
    with pytest.warns(UserWarning, match="3 files beside the 60 texts in .*: 2 .rst, 1 hidden files"):
        count = sum(len(load_corpus(str(tmp_path / "texts"), split).documents) for split in ("train", "test"))
    assert count == 60


def test_what_else_is_in_a_zip_is_counted_and_a_broken_image_named(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "samples.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"cats/cat {number}.png", png())
        archive.writestr("cats/broken one.png", b"\x89PNG\r\n\x1a\n broken")
        for number in range(7):
            archive.writestr(f"phone/{number}.heic", b"other")
    with pytest.warns(UserWarning) as caught, open_samples(tmp_path / "samples.zip", 10**9) as files:
        assert len(files.load(32, 3, None)) == 20
    said = " ".join(str(each.message) for each in caught)
    assert "7 files beside the 21 images in" in said and "7 .heic" in said and "broken_one.png" in said


def test_a_zip_is_read_where_the_cache_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZipFile(tmp_path / "samples.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", png())
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "file" / "cache"))
    with open_samples(tmp_path / "samples.zip", 10**9) as files:
        assert len(files.load(32, 3, None)) == 3


def test_pipes_are_left_out_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    os.mkfifo(tmp_path / "b.png")
    with pytest.warns(UserWarning, match="1 pipes, sockets and devices"):
        assert image_paths(tmp_path) == [tmp_path / "a.png"]


def test_a_sound_by_a_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.wav")
    sound(path)
    assert len(read_sound(path)) == 8000
    path.write_bytes(b"none")
    with pytest.raises(AIGCError, match=r"bad\?.wav' cannot be read as a sound"):
        read_sound(path)
