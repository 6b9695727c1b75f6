"""What a PNG says of itself, read back by independent readers, and the command that checks it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from aigc_core import AIGCError, Checkpoint, SampleRequest
from aigc_core.cli import main
from aigc_core.modalities.image import TOLERANCE
from aigc_core.modalities.png import png_bytes, png_files, read_png, save_png
from aigc_core.modalities.provenance import Provenance, Statement
from aigc_core.rng import MAX_SEED
from aigc_core.sampling.request import MAX_COUNT
from aigc_core.sampling.sample import sample
from tests.processes import assert_one_sentence, run_cli, run_here
from tests.toy_models import toy_checkpoint

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
REQUEST = SampleRequest(checkpoint="owner/name", seed=7, labels="Bag", truncation=0.8, offsets={"z1": -1.25})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_checkpoint().save_pretrained(tmp_path_factory.mktemp("models") / "toy")


def test_exiv2_reads_the_statements_of_the_standards(tmp_path: Path) -> None:
    import pyexiv2

    image = sample(toy_checkpoint("resnet"), SampleRequest(seed=1)).images[0]
    save_png(tmp_path / "image.png", image, Statement(REQUEST.canonical(), "abc"))
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
    with Image.open(io.BytesIO(png_bytes(image, Statement("", "")))) as picture:
        packet = picture.info["XML:com.adobe.xmp"]
    names = {element.tag for element in ElementTree.fromstring(packet.lstrip("\ufeff")).iter()}
    assert "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType" in names
    assert "{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC" in names


def test_request_and_weights_come_back() -> None:
    image = sample(toy_checkpoint(), SampleRequest(seed=1)).images[0]
    pixels, provenance = read_png(io.BytesIO(png_bytes(image, Statement(REQUEST.canonical(), "abc"))))
    assert torch.equal(pixels, image)
    assert SampleRequest.from_canonical(provenance.request) == REQUEST and provenance.weights == "abc"
    assert read_png(io.BytesIO(png_bytes(image, Statement("", "abc"))))[1].request == ""


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


def test_inspect_sees_changed_pixels_and_other_weights(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint.from_pretrained(folder)
    request = SampleRequest(checkpoint=str(folder), seed=3)
    image = sample(checkpoint, request).images[0]
    image[0, 10, 10] ^= 128
    save_png(tmp_path / "changed.png", image, Statement(request.canonical(), checkpoint.weights_sha256))
    assert_one_sentence(run_here(capsys, "inspect", str(tmp_path / "changed.png")), "do not match")
    other = toy_checkpoint()
    other.model.get_parameter("stem.weight").mul_(1.01)
    other.save_pretrained(tmp_path / "other")
    assert_one_sentence(
        run_here(capsys, "inspect", str(tmp_path / "changed.png"), "--checkpoint", str(tmp_path / "other")),
        "other weights",
    )


def test_what_was_made_before_weights_were_rounded_is_known(folder: Path, tmp_path: Path) -> None:
    samples = Checkpoint.from_pretrained(folder).sample(seed=3, count=9)
    samples.save(tmp_path / "before.png")
    size, weights = (folder / "model.safetensors").stat().st_size, samples.checkpoint.weights_sha256
    run = tmp_path / "run"
    run.mkdir()
    shutil.copytree(folder, run / "step-0000001")
    for source, shipped in ((run, tmp_path / "shipped"), (tmp_path / "shipped", tmp_path / "again")):
        assert main(["export", str(source), str(shipped), "--float16"]) == 0
        rounded = Checkpoint.from_pretrained(shipped)
        assert (shipped / "model.safetensors").stat().st_size < 0.6 * size
        assert rounded.config.rounded_from == (weights,) and rounded.weights_sha256 != weights
        assert {tensor.dtype for tensor in rounded.model.parameters()} == {torch.float32}
        assert (rounded.sample(seed=3, count=9).images.int() - samples.images.int()).abs().max() <= TOLERANCE
        assert inspect(tmp_path / "before.png", "--checkpoint", str(shipped)) == 0


def test_values_beyond_half_precision_are_not_rounded(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint()
    checkpoint.model.get_parameter("stem.weight")[0] = 1e5
    checkpoint.write_rounded(tmp_path)
    assert Checkpoint.from_pretrained(tmp_path).model.get_parameter("stem.weight")[0].eq(1e5).all()


def test_files_that_are_not_ours(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign, text, truncated = tmp_path / "foreign.png", tmp_path / "text.png", tmp_path / "truncated.png"
    Image.new("RGB", (64, 64)).save(foreign)
    text.write_text("no image")
    request = SampleRequest(checkpoint=str(folder), seed=3)
    whole = png_bytes(torch.zeros(1, 28, 28, dtype=torch.uint8), Statement(request.canonical(), "abc"))
    truncated.write_bytes(whole[: len(whole) * 2 // 3])
    jpeg = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(jpeg, "JPEG")
    huge = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(huge)
    unseeded = tmp_path / "unseeded.png"
    save_png(unseeded, torch.zeros(1, 28, 28, dtype=torch.uint8), Statement("", "abc"))
    files = [foreign, text, truncated, jpeg, huge, unseeded, tmp_path / "none.png", tmp_path]
    for file in files:
        assert inspect(file) == 2, file
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("suffix", "content", "sentence"),
    [
        ("png", b"GIF89a", "is a GIF, which says that it is AI-generated"),
        ("png", b"\0\0\0\x20ftypisom", "is an MP4, which says that it is AI-generated"),
        ("mp4", b"\0\0\0\x20ftypisom", "does not say that AIGC Studio made it"),
        ("jpg", b"\xff\xd8\xff\xe0", "is a JPEG, which keeps neither"),
        ("webp", b"RIFF\n\0\0\0WEBPVP8L", "is a WebP file"),
        ("zip", b"PK\x03\x04", "is an archive (zip or NPZ); unpack it"),
        ("png", b"no image", "is not a PNG"),
        ("png", b"", "is not a PNG"),
    ],
)
def test_other_files_are_called_what_they_are(
    tmp_path: Path, suffix: str, content: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"file.{suffix}").write_bytes(content)
    assert inspect(tmp_path / f"file.{suffix}") == 2
    said = capsys.readouterr().err
    assert f"'file.{suffix}' {sentence}" in said and said.count("\n") == 1


def test_movies_say_that_they_are_generated_and_archives_are_inspected_file_by_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, drawn = tmp_path / "model", tmp_path / "drawn"
    toy_checkpoint().save_pretrained(model)
    for out in (drawn, tmp_path / "movie.gif", tmp_path / "movie.mp4", tmp_path / "samples.npz"):
        assert main(["sample", str(model), "--count", "2", "--out", str(out)]) == 0
    capsys.readouterr()
    for kind in ("gif", "mp4"):
        assert inspect(tmp_path / f"movie.{kind}") == 0
        said = capsys.readouterr().out
        assert "AI-generated: yes" in said and "Label 1" in said and "ContentProducer AIGC Studio" in said
    archive = tmp_path / "samples.zip"
    with ZipFile(archive, "w") as pack:
        for path in (*sorted(drawn.iterdir()), tmp_path / "movie.gif"):
            pack.write(path, f"folder/{path.name}")
        pack.writestr("notes.json", "{}")
    assert inspect(archive) == 0
    said = capsys.readouterr().out
    assert said.count("pixels: made again, and they match") == 2 and said.count("AI-generated: yes") == 3
    with ZipFile(archive, "a") as pack:
        pack.writestr("changed.png", png_with("").getvalue())
    assert inspect(archive) == 2
    captured = capsys.readouterr()
    assert "Of 4 files in 'samples.zip', 1 could not be made again" in captured.err
    assert inspect(tmp_path / "samples.npz") == 2
    assert "'samples.npz' is an archive with no samples in it" in capsys.readouterr().err


def png_with(packet: str, behind: bool = False, compressed: bool = False) -> io.BytesIO:
    """A PNG of 28 × 28 black pixels with an XMP packet, before or behind the pixels."""
    information = PngImagePlugin.PngInfo()
    information.add_itxt("XML:com.adobe.xmp", packet, zip=compressed)
    buffer = io.BytesIO()
    Image.new("L", (28, 28)).save(buffer, "PNG", pnginfo=information)
    content = buffer.getvalue()
    if behind:  # a chunk is a length, a name, so many bytes, and a checksum of four
        start, pixels, end = (content.index(name) - 4 for name in (b"iTXt", b"IDAT", b"IEND"))
        content = content[:start] + content[pixels:end] + content[start:pixels] + content[end:]
    return io.BytesIO(content)


BOMB = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 100 if k else "lol"}">' for k in range(10))


@pytest.mark.parametrize(
    "packet",
    [
        "<x:xmpmeta studio:Request", "studio:Request", "<a>studio:Request</a>", "<a " * 1000,
        '<!DOCTYPE x [<!ENTITY a "b">]><x>studio:Request &a;</x>', f"<!DOCTYPE x [{BOMB}]><x>&e9;</x>",
        "<a>" * 100_000 + "</a>" * 100_000,
    ],
    ids=range(7),
)  # fmt: skip
def test_damaged_statements_are_one_sentence(packet: str) -> None:
    with pytest.raises(AIGCError, match="damaged|does not say"):
        read_png(png_with(packet))


def test_a_statement_inflates_within_bounds() -> None:
    with pytest.raises(AIGCError, match="cannot be read as"):
        read_png(png_with(" " * 100_000_000, compressed=True))


STATEMENT = {
    "s:Request": "checkpoint=a%2Fb&amp;seed=7", "s:Weights": "abc", "i:DigitalSourceType": DIGITAL_SOURCE_TYPE,
    "t:AIGC": "{&quot;Label&quot;: &quot;1&quot;}",
}  # fmt: skip
ELEMENTS = "".join(f"<{name}>{value}</{name}>" for name, value in STATEMENT.items())
ATTRIBUTES = " ".join(f"{name}='{value}'" for name, value in STATEMENT.items())
SERIALISATIONS = {
    "elements": f"<r:Description r:about=''>{ELEMENTS}</r:Description>",
    "attributes": f"<r:Description r:about='' {ATTRIBUTES}/>",
    "several descriptions": "".join(
        f"<r:Description r:about=''><{name}>{value}</{name}></r:Description>" for name, value in STATEMENT.items()
    ),
    "address": "<r:Description r:about=''>"
    + ELEMENTS.replace(
        f"<i:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</i:DigitalSourceType>",
        f"<i:DigitalSourceType r:resource='{DIGITAL_SOURCE_TYPE}'/>",
    )
    + "</r:Description>",
    **{
        f"r:{array}": "<r:Description r:about=''>"
        + "".join(
            f"<{name}><r:{array}> <r:li xml:lang='x-default'>{value}</r:li> <r:li>other</r:li></r:{array}></{name}>"
            for name, value in STATEMENT.items()
        )
        + "</r:Description>"
        for array in ("Alt", "Bag", "Seq")
    },
    "qualified values": "<r:Description r:about=''>"
    + "".join(
        f"<{name} r:parseType='Resource'><r:value>{value}</r:value><s:by>me</s:by></{name}>"
        for name, value in STATEMENT.items()
    )
    + "</r:Description>",
    "described values": "<r:Description r:about=''>"
    + "".join(
        f"<{name}><r:Description><r:value>{value}</r:value></r:Description></{name}>"
        for name, value in STATEMENT.items()
    )
    + "</r:Description>",
}


@pytest.mark.parametrize("name", SERIALISATIONS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_every_way_to_write_the_statement_is_read(name: str, wrapped: bool) -> None:
    packet = (
        "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:s='urn:aigc-studio:1.0/' "
        "xmlns:i='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' xmlns:t='http://www.tc260.org.cn/ns/AIGC/1.0/'>"
        f"{SERIALISATIONS[name]}</r:RDF>"
    )
    if wrapped:
        packet = (
            f"\ufeff<?xpacket begin=''?><m:xmpmeta xmlns:m='adobe:ns:meta/'>{packet}</m:xmpmeta><?xpacket end='w'?>"
        )
    for behind, compressed in ((False, False), (True, False), (True, True)):
        provenance = read_png(png_with(packet, behind, compressed))[1]
        assert provenance == Provenance(
            SampleRequest(checkpoint="a/b", seed=7).canonical(), "abc", DIGITAL_SOURCE_TYPE, {"Label": "1"}
        )


def run_tool(name: str, package: str, *words: str) -> None:
    """Run a program of Debian's. Where there is none the test is skipped, and fails under CI."""
    if shutil.which(name) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing, and CI must run the tests with it")
        pytest.skip(f"{name} is not installed (Debian's package {package})")
    subprocess.run([name, *words], check=True, capture_output=True)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    "words",
    [
        ["-XMP:Rating=5"], ["-z", "-XMP:Rating=5"], ["-api", "Compact=Shorthand", "-XMP:Title=mine"],
        ["-api", "Compact=OneDesc,NoPadding", "-XMP-dc:Subject=a", "-XMP-dc:Subject=b"], ["-PNG:Comment=hello"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_metadata_editor_leaves_the_statement_whole(
    folder: Path, tmp_path: Path, words: list[str], count: int
) -> None:
    file = tmp_path / "image.png"
    assert main(["sample", str(folder), "--num", str(count), "--out", str(file)]) == 0
    run_tool("exiftool", "libimage-exiftool-perl", "-overwrite_original", *words, str(file))
    assert inspect(file) == 0


@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
@pytest.mark.parametrize("saved_as", ["optipng", "L", "RGB", "RGBA", "LA", "P", "I;16"])
def test_pixels_are_compared_as_pixels_whatever_the_mode(tmp_path: Path, architecture: str, saved_as: str) -> None:
    model, file = tmp_path / "model", tmp_path / "image.png"
    toy_checkpoint(architecture).save_pretrained(model)
    assert main(["sample", str(model), "--num", "4", "--out", str(file)]) == 0
    with Image.open(file) as picture:
        picture.load()
        in_colour = picture.mode == "RGB"
    if in_colour and saved_as not in ("RGBA", "optipng"):
        return  # these modes lose colours
    if saved_as == "optipng":
        run_tool("optipng", "optipng", "-quiet", "-o2", str(file))
    else:
        information = PngImagePlugin.PngInfo()
        information.add_itxt("XML:com.adobe.xmp", picture.info["XML:com.adobe.xmp"])
        wide = Image.fromarray(numpy.array(picture).astype("uint16") * 257) if saved_as == "I;16" else None
        (wide or picture.convert(saved_as)).save(file, pnginfo=information)
    assert inspect(file) == 0


def test_transparent_pixels_do_not_match(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "image.png"
    assert main(["sample", str(folder), "--num", "1", "--out", str(file)]) == 0
    with Image.open(file) as picture:
        information = PngImagePlugin.PngInfo()
        information.add_itxt("XML:com.adobe.xmp", picture.info["XML:com.adobe.xmp"])
        faded = picture.convert("LA")
        faded.putalpha(128)
        faded.save(file, pnginfo=information)
    assert inspect(file) == 2 and "some are transparent" in capsys.readouterr().err


def test_a_small_file_that_claims_many_images_costs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint.from_pretrained(folder)
    request = SampleRequest(checkpoint=str(folder), count=MAX_COUNT)
    save_png(
        tmp_path / "a.png",
        torch.zeros(1, 28, 28, dtype=torch.uint8),
        Statement(request.canonical(), checkpoint.weights_sha256),
    )
    drawn = []
    monkeypatch.setattr("aigc_core.inspection.sample", drawn.append)
    assert inspect(tmp_path / "a.png") == 2 and not drawn
    assert "the request makes 28 × 1,835,008, the file has 28 × 28" in capsys.readouterr().err


@given(
    st.builds(
        SampleRequest,
        checkpoint=st.text(max_size=50),
        seed=st.integers(0, MAX_SEED),
        count=st.integers(1, MAX_COUNT),
        labels=st.text(max_size=200),
        truncation=st.floats(0, 1),
        offsets=st.dictionaries(st.text(max_size=10), st.floats(-100, 100), max_size=5),
        mix_seed=st.none() | st.integers(0, MAX_SEED),
        mix_layer=st.integers(0, 100),
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_whatever_may_be_written_is_read_back(request: SampleRequest, colour: bool) -> None:
    image = torch.arange(8 * 8 * 3, dtype=torch.uint8).reshape(3, 8, 8)[: 3 if colour else 1]
    pixels, provenance = read_png(io.BytesIO(png_bytes(image, Statement(request.canonical(), "abc"))))
    assert torch.equal(pixels, image) and SampleRequest.from_canonical(provenance.request) == request


@pytest.mark.parametrize("channels", [1, 3])
def test_many_files_are_each_the_one_of_their_image(channels: int) -> None:
    images = torch.randint(256, (3, channels, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    statements = [Statement(f"seed={seed}", "abc") for seed in range(3)]
    for file, image, statement in zip(png_files(images, statements), images, statements, strict=True):
        pixels, provenance = read_png(io.BytesIO(file))
        assert torch.equal(pixels, image) and provenance == Provenance.of(statement, image)


def test_samples_of_the_library_are_saved_with_their_provenance(folder: Path, tmp_path: Path) -> None:
    samples = Checkpoint.from_pretrained(folder).sample(seed=8, count=5, labels="Bag,Coat")
    samples.save(tmp_path / "pictures")
    samples.save(tmp_path / "grid.png")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        f"seed-{k}.png" for k in (10, 11, 12, 8, 9)
    ]
    pixels, provenance = read_png(tmp_path / "pictures" / "seed-9.png")
    assert torch.equal(pixels, samples.images[1])
    assert provenance.request == SampleRequest(checkpoint=str(folder), seed=9, labels="Coat").canonical()
    assert read_png(tmp_path / "grid.png")[0].shape == (1, 56, 84)
    assert inspect(tmp_path / "grid.png") == 0 == inspect(tmp_path / "pictures" / "seed-12.png")


def test_inspect_needs_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = sample(toy_checkpoint(), SampleRequest(seed=3)).images[0]
    for name, said in (("", "name it with --checkpoint"), (str(tmp_path / "gone"), "no folder")):
        request = SampleRequest(checkpoint=name, seed=3)
        save_png(tmp_path / "image.png", image, Statement(request.canonical(), toy_checkpoint().weights_sha256))
        assert inspect(tmp_path / "image.png") == 2
        output = capsys.readouterr()
        assert said in output.err and output.err.count("\n") == 1 and "AI-generated: yes" in output.out
    moved = toy_checkpoint().save_pretrained(tmp_path / "moved")
    assert inspect(tmp_path / "image.png", "--checkpoint", str(moved)) == 0


def test_threads_write_their_own_provenance_at_once() -> None:
    """In a process of its own, cold, where threads change as often as can be."""
    script = (
        "import io, sys, torch; sys.setswitchinterval(1e-6)\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from aigc_core.modalities.png import png_bytes, read_png\n"
        "from aigc_core.modalities.provenance import Statement\n"
        "image = torch.zeros(3, 8, 8, dtype=torch.uint8)\n"
        "requests = [f'checkpoint=a&<b>&seed={seed}' for seed in range(2000)]\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    files = list(pool.map(lambda request: png_bytes(image, Statement(request, 'abc')), requests))\n"
        "assert [read_png(io.BytesIO(file))[1].request for file in files] == requests\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)
