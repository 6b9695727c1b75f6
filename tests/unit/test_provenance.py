"""What a PNG says of itself, read back by independent readers, and the command that checks it."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image, PngImagePlugin

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.cli import main
from aigc_core.sampling.provenance import png_bytes, read_png, save_png
from aigc_core.sampling.sample import sample
from tests.processes import assert_one_sentence, run_cli
from tests.toy_models import toy_checkpoint

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
REQUEST = SampleRequest(checkpoint="owner/name", seed=7, labels="Bag", truncation=0.8, offsets={"z1": -1.25})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_checkpoint().save_pretrained(tmp_path_factory.mktemp("models") / "toy")


def test_exiv2_reads_the_statements_of_the_standards(tmp_path: Path) -> None:
    import pyexiv2

    image = sample(toy_checkpoint("resnet"), SampleRequest(seed=1)).images[0]
    save_png(tmp_path / "image.png", image, REQUEST, "abc")
    with pyexiv2.Image(str(tmp_path / "image.png")) as metadata:
        properties = metadata.read_xmp()
    assert properties["Xmp.iptcExt.DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    label = json.loads(properties["Xmp.TC260.AIGC"])
    assert list(label) == [
        "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2",
    ]  # fmt: skip
    assert label["Label"] == "1" and label["ProduceID"] == hashlib.sha256(image.numpy().tobytes()).hexdigest()[:32]
    with Image.open(tmp_path / "image.png") as picture:
        assert picture.mode == "RGB" and picture.getpixel((3, 5)) == tuple(image[:, 5, 3].tolist())
        assert json.loads(picture.text["AIGC"]) == {"AIGC": label}  # type: ignore[attr-defined]


def test_xmp_packet_uses_the_registered_name_spaces() -> None:
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    with Image.open(io.BytesIO(png_bytes(image, None, ""))) as picture:
        packet = picture.info["XML:com.adobe.xmp"]
    names = {element.tag for element in ElementTree.fromstring(packet.lstrip("\ufeff")).iter()}
    assert "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType" in names
    assert "{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC" in names


def test_request_and_weights_come_back() -> None:
    image = sample(toy_checkpoint(), SampleRequest(seed=1)).images[0]
    pixels, provenance = read_png(io.BytesIO(png_bytes(image, REQUEST, "abc")))
    assert torch.equal(pixels, image)
    assert provenance.request == REQUEST and provenance.weights == "abc"
    assert read_png(io.BytesIO(png_bytes(image, None, "abc")))[1].request is None


def test_weights_are_identified_by_the_hash_of_their_file(folder: Path) -> None:
    expected = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert Checkpoint.from_pretrained(folder).weights_sha256 == expected == toy_checkpoint().weights_sha256


def inspect(file: Path, *words: str) -> int:
    return main(["inspect", str(file), *words])


def test_inspect_recognises_images_and_grids(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(folder), "--seed", "3", "--num", "5", "--out", str(tmp_path / "each")]) == 0
    assert main(["sample", str(folder), "--seed", "3", "--num", "5", "--out", str(tmp_path / "grid.png")]) == 0
    assert inspect(tmp_path / "each" / "seed-6.png") == 0
    assert "seed=6" in capsys.readouterr().out
    assert inspect(tmp_path / "grid.png") == 0
    result = run_cli("inspect", str(tmp_path / "each" / "seed-6.png"))
    assert result.returncode == 0 and "AI-generated: yes" in result.stdout and "match" in result.stdout


def test_inspect_sees_changed_pixels_and_other_weights(folder: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.from_pretrained(folder)
    request = SampleRequest(checkpoint=str(folder), seed=3)
    image = sample(checkpoint, request).images[0]
    image[0, 10, 10] ^= 128
    save_png(tmp_path / "changed.png", image, request, checkpoint.weights_sha256)
    assert_one_sentence(run_cli("inspect", str(tmp_path / "changed.png")), "do not match")
    other = toy_checkpoint()
    other.generator.get_parameter("stem.weight").mul_(1.01)
    other.save_pretrained(tmp_path / "other")
    assert_one_sentence(
        run_cli("inspect", str(tmp_path / "changed.png"), "--checkpoint", str(tmp_path / "other")), "other weights"
    )


def test_files_that_are_not_ours(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign, text, truncated = tmp_path / "foreign.png", tmp_path / "text.png", tmp_path / "truncated.png"
    Image.new("RGB", (64, 64)).save(foreign)
    text.write_text("no image")
    request = SampleRequest(checkpoint=str(folder), seed=3)
    whole = png_bytes(torch.zeros(1, 28, 28, dtype=torch.uint8), request, "abc")
    truncated.write_bytes(whole[: len(whole) * 2 // 3])
    jpeg = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(jpeg, "JPEG")
    huge = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(huge)
    unseeded = tmp_path / "unseeded.png"
    save_png(unseeded, torch.zeros(1, 28, 28, dtype=torch.uint8), None, "abc")
    files = [foreign, text, truncated, jpeg, huge, unseeded, tmp_path / "none.png", tmp_path]
    for file in files:
        assert inspect(file) == 2, file
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "packet",
    [
        "<x:xmpmeta studio:Request", "studio:Request",
        '<!DOCTYPE x [<!ENTITY a "b">]><x>studio:Request &a;</x>', "<a>studio:Request</a>",
    ],
)  # fmt: skip
def test_damaged_statements_are_one_sentence(packet: str) -> None:
    information = PngImagePlugin.PngInfo()
    information.add_itxt("XML:com.adobe.xmp", packet)
    buffer = io.BytesIO()
    Image.new("L", (28, 28)).save(buffer, "PNG", pnginfo=information)
    with pytest.raises(AIGCError):
        read_png(buffer)


def test_samples_of_the_library_are_saved_with_their_provenance(folder: Path, tmp_path: Path) -> None:
    samples = Checkpoint.from_pretrained(folder).sample(seed=8, count=5, labels="Bag,Coat")
    samples.save(tmp_path / "pictures")
    samples.save(tmp_path / "grid.png")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        f"seed-{k}.png" for k in (10, 11, 12, 8, 9)
    ]
    pixels, provenance = read_png(tmp_path / "pictures" / "seed-9.png")
    assert torch.equal(pixels, samples.images[1])
    assert provenance.request == SampleRequest(checkpoint=str(folder), seed=9, labels="Coat")
    assert read_png(tmp_path / "grid.png")[0].shape == (1, 56, 84)
    assert inspect(tmp_path / "grid.png") == 0 == inspect(tmp_path / "pictures" / "seed-12.png")


def test_inspect_needs_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = sample(toy_checkpoint(), SampleRequest(seed=3)).images[0]
    for name, said in (("", "name it with --checkpoint"), (str(tmp_path / "gone"), "no folder")):
        request = SampleRequest(checkpoint=name, seed=3)
        save_png(tmp_path / "image.png", image, request, toy_checkpoint().weights_sha256)
        assert inspect(tmp_path / "image.png") == 2
        output = capsys.readouterr()
        assert said in output.err and output.err.count("\n") == 1 and "AI-generated: yes" in output.out
    moved = toy_checkpoint().save_pretrained(tmp_path / "moved")
    assert inspect(tmp_path / "image.png", "--checkpoint", str(moved)) == 0
