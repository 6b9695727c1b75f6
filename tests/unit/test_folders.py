"""What lies in a folder of pictures: links, files of other kinds, odd sizes, and streams of what is too large."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image, features

from aigc_core import AIGCError
from aigc_core.data.datasets import load_dataset
from aigc_core.data.folders import common_side, image_paths
from aigc_core.registry import Registry

NOISE = numpy.random.default_rng(0)


def picture(path: Path, *size: int) -> Path:
    """A picture of noise, of so many pixels wide and high, in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size or (32, 32)
    Image.fromarray(NOISE.integers(0, 256, (height, width, 3), dtype=numpy.uint8)).save(path)
    return path


def warning_of(folder: Path) -> str:
    """What listing a folder says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image_paths(folder)
    return " ".join(str(each.message) for each in caught)


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / "elsewhere" / name / "deep" / "1.png")
    (tmp_path / "pictures").mkdir()
    for name in "ab":
        (tmp_path / "pictures" / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "pictures" / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "b" / "deep" / "1.png")
    dataset = load_dataset(str(tmp_path / "pictures"), resolution=32)
    assert dataset.class_names == ("a", "b") and dataset.labels.tolist() == [0, 0, 1]
    assert warning_of(tmp_path / "pictures") == ""


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / name / "1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "lost").symlink_to(tmp_path / "nowhere")
    assert image_paths(tmp_path) == [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"]
    said = warning_of(tmp_path)
    assert "2 links back to a folder above" in said and "1 links to nothing" in said


def test_two_ways_to_one_folder_are_both_taken(tmp_path: Path) -> None:
    picture(tmp_path / "store" / "1.png")
    for name in "ab":
        (tmp_path / name).symlink_to(tmp_path / "store")
    assert [path.parent.name for path in image_paths(tmp_path)] == ["a", "b", "store"]


def test_what_is_left_out_is_counted_by_kind_in_one_sentence(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    for name in ("1.CR2", "2.cr2", "notes.txt", "README", ".hidden.png", ".git/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"other")
    said = warning_of(tmp_path)
    assert said.startswith(f"6 files beside the 3 images in '{tmp_path}' are left out: ") and said.count(". ") == 0
    for kind in ("2 .cr2", "1 .txt", "1 files without a suffix", "1 hidden files", "1 hidden folders"):
        assert kind in said
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(AIGCError, match="no image in .* that can be read here; it has .*1 .txt"):
        image_paths(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "closed").mkdir(mode=0)
    assert "1 folders that cannot be opened" in warning_of(tmp_path)
    (tmp_path / "closed").chmod(0o700)


def test_jpeg_by_any_name_is_read(tmp_path: Path) -> None:
    for suffix in ("jpg", "jpeg", "jpe", "jfif", "JFIF"):
        Image.new("RGB", (32, 32), "red").save(tmp_path / f"{suffix}.{suffix}", "JPEG")
    assert len(load_dataset(str(tmp_path), resolution=32)) == 5


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "1.avif")
    assert len(load_dataset(str(tmp_path), resolution=32)) == 1


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="pillow-heif is installed")
def test_heic_without_its_package_is_left_out_with_what_to_do(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "1.HEIC").write_bytes(b"other")
    assert "1 .heic (`pip install pillow-heif` to read them)" in warning_of(tmp_path)


def test_heic_is_read_where_its_package_is(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra pillow-heif is not installed")
    heif.register_heif_opener()
    Image.new("RGB", (32, 32), "red").save(tmp_path / "1.heic")
    (red, green, blue) = load_dataset(str(tmp_path), resolution=32).images[0].float().mean((1, 2))
    assert red > 240 and max(green, blue) < 15 and warning_of(tmp_path) == ""


@pytest.mark.parametrize("first", [(8, 8), (4, 4), (5000, 30), (900, 900)])
def test_the_most_common_size_decides_and_others_are_named(first: tuple[int, int], tmp_path: Path) -> None:
    picture(tmp_path / "0.png", *first)
    for number in range(1, 6):
        picture(tmp_path / f"{number}.png", 28, 40)
    (tmp_path / "00.png").write_bytes(b"broken")
    with pytest.warns(UserWarning) as caught:
        assert common_side(tmp_path, image_paths(tmp_path)) == 28
    (said,) = [str(each.message) for each in caught]
    assert "5 of 6 images" in said and "28 pixels" in said
    assert f"1 have another and are scaled: '{tmp_path / '0.png'}' ({first[0]} × {first[1]})." in said


def test_of_equally_frequent_sizes_the_middle_one_decides(tmp_path: Path) -> None:
    for side in (10, 60, 61, 64, 900):
        picture(tmp_path / f"{side}.png", side, side)
    with pytest.warns(UserWarning):
        assert common_side(tmp_path, image_paths(tmp_path)) == 61


@pytest.mark.parametrize(("side", "resolution"), [(20, 28), (28, 28), (40, 32), (64, 64), (200, 64)])
def test_a_folder_trains_at_the_size_of_its_images_unless_told(side: int, resolution: int, tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 300, 300)
    for number in range(1, 4):
        picture(tmp_path / f"{number}.png", side, side)
    with pytest.warns(UserWarning) as caught:
        dataset = load_dataset(str(tmp_path))
    said = [str(each.message) for each in caught]
    assert dataset.images.shape[2:] == (resolution, resolution)
    assert any("the most common size; 1 have another" in each for each in said)
    assert any(f"are scaled to {resolution} × {resolution}" in each for each in said) == (side != resolution)


def test_a_stream_to_be_measured_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "c/1.png"):
        picture(tmp_path / name)
    (tmp_path / "a" / "0.png").write_bytes(b"broken")
    (tmp_path / "c" / "1.png").write_bytes(b"broken")
    datasets = []
    for max_bytes in (10**9, 1):
        with pytest.warns(UserWarning, match="2 of 5 images were left out"):
            datasets.append(load_dataset(str(tmp_path), resolution=32, max_bytes=max_bytes, check=True))
    whole, streamed = datasets
    assert isinstance(whole.images, torch.Tensor) and not isinstance(streamed.images, torch.Tensor)
    assert streamed.class_names == whole.class_names == ("a", "b")
    assert torch.equal(streamed.labels, whole.labels) and streamed.content_hash() == whole.content_hash()


def test_a_named_set_that_would_not_fit_is_converted_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aigc_core.data import datasets

    monkeypatch.setattr(datasets, "named_datasets", Registry("data set", "aigc_core.data.named_datasets"))
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    (tmp_path / "data" / "noise").mkdir(parents=True)
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
    read = lambda folder, split: (images, torch.zeros(50, dtype=torch.int64))  # noqa: E731
    datasets.register_dataset("noise", datasets.NamedDataset(read, (), licence="", source="", splits=("train",)))
    whole, streamed = (load_dataset("noise", resolution=16, channels=1, max_bytes=size) for size in (10**9, 1))
    assert isinstance(whole.images, torch.Tensor) and not isinstance(streamed.images, torch.Tensor)
    assert streamed.images.shape == whole.images.shape == (50, 1, 16, 16)
    assert streamed.content_hash() == whole.content_hash()
    assert torch.equal(streamed.images[torch.tensor([3, 40])], whole.images[[3, 40]])
