"""Samples that others drew: the files of other tools and of the Hub have the figures of the same images in a folder."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image

from aigc_core import AIGCError, Checkpoint
from aigc_core.cli import main
from aigc_core.data import sample_files
from aigc_core.data.sample_files import open_samples
from aigc_core.evaluation.results import Result
from aigc_core.serving.leaderboard import SAMPLES_ALONE, by_protocol, collect, ranked
from aigc_core.serving.tables import as_rows
from tests.local_hub import LocalHub


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def pixels() -> numpy.ndarray:
    """uint8 [60, 28, 28, 3], as guided-diffusion has it in memory."""
    return numpy.random.default_rng(0).integers(0, 256, (60, 28, 28, 3), numpy.uint8)


@pytest.fixture(scope="module")
def pictures(pixels: numpy.ndarray) -> dict[str, bytes]:
    """The same as PNG files, in EDM's folders of a thousand."""
    files = {}
    for number, image in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        files[f"{number // 40:05}/{number:06}.png"] = file.getvalue()
    return files


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def evaluated(capsys: pytest.CaptureFixture[str], source: str | Path, real: Path, *more: str) -> Result:
    words = [str(source), "--reference", str(real), "--extractor", "cifar10-classifier", "--json", *more]
    assert main(["evaluate", *words]) == 0
    return Result.model_validate(json.loads(capsys.readouterr().out))


def test_the_same_images_have_the_same_figures_in_every_file(
    pixels: numpy.ndarray,
    pictures: dict[str, bytes],
    digits_folder: Path,
    tmp_path: Path,
    local_hub: LocalHub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    numpy.savez(tmp_path / "guided.npz", pixels, numpy.zeros(60, numpy.int64))
    numpy.savez(tmp_path / "studio.npz", x=pixels.transpose(0, 3, 1, 2), y=numpy.zeros(60))
    numpy.savez_compressed(tmp_path / "small.npz", pixels)
    flat = {name.rpartition("/")[2]: content for name, content in pictures.items()}
    local_hub.add("bob/pictures", flat | {"README.md": b"# Samples", ".gitattributes": b""})
    local_hub.add("bob/drawn", {"samples.npz": (tmp_path / "guided.npz").read_bytes()}, kind="datasets")
    folder = evaluated(capsys, written(tmp_path / "folder", flat), digits_folder)
    assert {"kid", "precision", "density"} <= folder.figures.keys() and folder.protocol.num_samples == 60
    sources = [
        tmp_path / "folder",
        tmp_path / "guided.npz",
        tmp_path / "studio.npz",
        tmp_path / "small.npz",
        zipped(tmp_path / "edm.zip", pictures | {"dataset.json": b"{}", "__MACOSX/00000/._1.png": b"no image"}),
        "bob/pictures",
        "datasets/bob/drawn",
    ]
    for source in sources[1:]:
        (before,) = collect([str(source)])
        assert not before.problem and not before.results
        found = evaluated(capsys, source, digits_folder)
        assert found.protocol == folder.protocol and found.figures.keys() == folder.figures.keys()
        for name, figure in found.figures.items():
            assert figure.value == pytest.approx(folder.figures[name].value, rel=1e-3, abs=1e-6), (source, name)
    assert not [*(tmp_path / "cache" / "samples").glob(".*")]
    (group,) = by_protocol(collect(map(str, sources))).values()
    rows = ranked(group, "kid")
    assert [row["family"] for row in as_rows(rows)] == [SAMPLES_ALONE] * len(sources)
    assert {row.rank for row in rows} == {1}
    assert main(["compare", *map(str, sources), "--metric", "kid"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(sources) * (len(sources) - 1) / 2
    assert evaluated(capsys, tmp_path / "guided.npz", digits_folder, "--num-samples", "55").protocol.num_samples == 55
    for name in ("bob/pictures", "datasets/bob/drawn"):
        with pytest.raises(AIGCError, match=f"holds samples and no model .* evaluate {name} --reference"):
            Checkpoint.from_pretrained(name)


def test_what_they_are_measured_against_must_be_said(
    pictures: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(zipped(tmp_path / "edm.zip", pictures))]) == 2
    assert "holds samples alone; say with --reference" in capsys.readouterr().err


def test_samples_that_nobody_measured_are_not_compared(
    pictures: dict[str, bytes], tmp_path: Path, local_hub: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    local_hub.add("bob/pictures", pictures)
    local_hub.add("bob/drawn", pictures, kind="datasets")
    for name in (str(zipped(tmp_path / "edm.zip", pictures)), "bob/pictures", "datasets/bob/drawn"):
        assert main(["compare", name, name]) == 2
        assert f"python -m aigc_core evaluate {name} --reference DATASET" in capsys.readouterr().err


def test_a_data_set_that_arrives_damaged_is_named_as_one(
    pictures: dict[str, bytes], local_hub: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    local_hub.add("bob/drawn", pictures, kind="datasets")
    with local_hub.fault("GET .*/resolve/", damaged=True):
        assert main(["evaluate", "datasets/bob/drawn", "--reference", "mnist"]) == 2
    assert re.search(r"'datasets/bob/drawn': \d+/\d+.png arrived damaged", capsys.readouterr().err)


class Hostile:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("it ran"),)


def patched(path: Path, offset: int, content: bytes) -> None:
    data = path.read_bytes()
    place = data.index(b"PK\x01\x02") + offset
    path.write_bytes(data[:place] + content + data[place + len(content) :])


def lies_of_size(path: Path) -> None:
    zipped(path, {"1.png": b"x"})
    patched(path, 24, struct.pack("<I", 2**31))


def locked(path: Path) -> None:
    zipped(path, {"1.png": b"x"})
    patched(path, 8, b"\x01\x00")


HOSTILE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a pickle": (
        "npz",
        lambda path: numpy.savez(path, numpy.array([Hostile()], dtype=object)),
        "Python objects as a pickle, which can run code .* never read",
    ),
    "a bomb": ("zip", lambda path: zipped(path, {f"{n}.png": bytes(2**20) for n in range(3)}), "would unpack to 3 MB"),
    "a bomb in an array": ("npz", lambda path: numpy.savez_compressed(path, numpy.zeros(2**22, "u1")), "would unpack"),
    "a size that lies": ("zip", lies_of_size, "would unpack to 2,048 MB"),
    "a name outside": ("zip", lambda path: zipped(path, {"../evil.png": b"x"}), "names a file outside itself"),
    "an absolute name": ("zip", lambda path: zipped(path, {"/etc/evil.png": b"x"}), "names a file outside itself"),
    "a name of Windows": ("zip", lambda path: zipped(path, {"..\\evil.png": b"x"}), "names a file outside itself"),
    "a password": ("zip", locked, "is encrypted"),
    "no archive": ("zip", lambda path: path.write_bytes(b"PK no"), "damaged or no zip"),
    "no images": ("zip", lambda path: zipped(path, {"a.txt": b"x"}), "no image in"),
    "statistics": ("npz", lambda path: numpy.savez(path, mu=numpy.zeros(3)), "none of its arrays .mu. is called"),
    "floats": ("npz", lambda path: numpy.savez(path, numpy.zeros((2, 8, 8, 3))), r"float64 \[2, 8, 8, 3\]; images are"),
    "no array": ("npz", lambda path: zipped(path, {"arr_0.npy": b"\x93NUMPY\x01\x00\x02\x00(("}), "no array that can"),
    "an array that is cut short": (
        "npz",
        lambda path: zipped(path, {"arr_0.npy": numpy_header((9, 64, 64, 3)) + b"abc"}),
        "no array that can be read",
    ),
}


def numpy_header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_in_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sample_files, "MODEST", 2**21)
    suffix, make, sentence = HOSTILE[name]
    path = tmp_path / f"samples.{suffix}"
    make(path)
    with pytest.raises(AIGCError, match=sentence), open_samples(path, 2**20):
        pass
    assert not (tmp_path / "it ran").exists() and not [*tmp_path.rglob("evil*")]
    assert not [*(tmp_path / "cache" / "samples").glob(".*")]
