"""The small rows of samples in the dashboard's tables, against the files that they are cut from."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image

from aigc_core import Checkpoint
from aigc_core.access import SHIPPED
from aigc_core.modalities.png import read_png
from aigc_core.modalities.provenance import Statement
from aigc_core.serving.leaderboard import Entry, collect, shipped_sources
from aigc_core.serving.thumbnails import thumbnail
from tests.toy_models import sounds_checkpoint, toy_checkpoint


def entry_of(checkpoint: Checkpoint, folder: Path) -> Entry:
    checkpoint.save_pretrained(folder)
    return Entry(str(folder), folder, checkpoint.config)


def shown(entry: Entry) -> Image.Image:
    address = thumbnail(entry)
    assert address and len(address) < 4096
    kind, content = address.split(",")
    assert kind == "data:image/webp;base64"
    return Image.open(BytesIO(b64decode(content))).convert("RGB")


def test_it_is_the_first_row_of_the_preview_and_follows_it(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint()
    entry = entry_of(checkpoint, tmp_path / "toy")
    assert thumbnail(entry) is None  # no samples beside it
    levels = torch.arange(8, dtype=torch.uint8) * 30
    flat = levels[:, None, None, None].expand(-1, 1, 28, 28)
    for samples in (flat, flat.flip(0)):
        checkpoint.modality.write(tmp_path / "toy" / "samples.png", samples, Statement("", ""), columns=8)
        row = shown(entry)
        assert row.size == (4 * 32, 32)
        for number, sample in enumerate(samples[:4]):
            assert abs(row.getpixel((number * 32 + 16, 16))[0] - int(sample[0, 0, 0])) <= 3
    (tmp_path / "toy" / "samples.png").write_bytes(b"no picture")
    assert thumbnail(entry) is None
    Image.new("L", (20, 20)).save(tmp_path / "toy" / "samples.png")  # smaller than a sample, and not from here
    assert thumbnail(entry) is None


def test_sounds_are_spectrograms(tmp_path: Path) -> None:
    checkpoint = sounds_checkpoint("kick", "hat")
    entry = entry_of(checkpoint, tmp_path / "kit")
    stored = checkpoint.sample(seed=0, count=3).stored
    checkpoint.modality.write(tmp_path / "kit" / "samples.flac", stored, Statement("", ""))
    row = shown(entry)
    assert row.size == (3 * 32, 32)
    expected = checkpoint.modality.pictures(stored[:1])[0].float().mean((1, 2))
    found = torch.tensor(list(row.crop((0, 0, 32, 32)).getdata())).float().mean(0)
    assert (expected - found).abs().max() < 6


def test_models_that_ship_have_one_unless_they_write() -> None:
    entries = [entry for entry in collect(shipped_sources()) if entry.config]
    pictured = {entry.reference for entry in entries if thumbnail(entry)}
    assert pictured == {entry.reference for entry in entries if entry.config and entry.config.modality != "text"}
    emoji = next(entry for entry in entries if entry.reference == str(SHIPPED / "emoji"))
    pixels, _ = read_png(SHIPPED / "emoji" / "samples.png")
    first = torch.tensor(list(shown(emoji).crop((0, 0, 32, 32)).getdata())).float().mean(0)
    assert (pixels[:, :64, :64].float().mean((1, 2)) - first).abs().max() < 5
