"""PNG files that say what they are: the request that makes them again, and that they are AI-generated.

All of it lies in an XMP packet (ISO 16684-1), in PNG an iTXt chunk `XML:com.adobe.xmp`:

- IPTC's digital source type `trainedAlgorithmicMedia` (IPTC Photo Metadata Standard, Digital Source Type);
- the property `AIGC` in the name space that the Chinese guide TC260-PG-20259A reserves for it, holding the JSON of
  GB 45438-2025, appendix E; the guide's appendix B has the same in a tEXt chunk `AIGC`, which is written too;
- in a name space of ours, the request's canonical string and the SHA-256 of the weights.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import BinaryIO
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy
import torch
from PIL import Image
from torch import Tensor

from aigc_core import __version__
from aigc_core.data.image_files import opened
from aigc_core.errors import AIGCError
from aigc_core.files import atomic_write

from .sample import SampleRequest

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP_KEYWORD = "XML:com.adobe.xmp"
NAME_SPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
    "studio": "urn:aigc-studio:1.0/",
}
PRODUCER = "AIGC Studio"
COLOUR_TYPES = {1: 0, 3: 2}
"""PNG's numbers for grey and RGB by channels (ISO 15948, table 11.1)."""
UP_FILTER = 2
"""PNG's filter by which a byte is its difference to the one above (ISO 15948, section 9.2)."""


@dataclass(frozen=True)
class Provenance:
    """What a PNG says of itself.

    `request`: what makes it again; None if it is not made from a seed (inverted or interpolated).
    `weights`: the SHA-256 of the weights. `source_type`: IPTC's term. `aigc`: the fields of GB 45438-2025.
    """

    request: SampleRequest | None
    weights: str
    source_type: str
    aigc: dict[str, str]


def to_picture(image: Tensor) -> Image.Image:
    """uint8 [C, H, W] → a PIL image, grey or RGB."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())


def aigc_label(number: str) -> dict[str, str]:
    """The fields of GB 45438-2025, appendix E, for content of that number, 32 hexadecimal digits.

    Label "1" says that the content is generated. Whoever spreads it fills in the propagator's fields; the reserved
    ones are for each side's own safeguards.
    """
    return {
        "Label": "1",
        "ContentProducer": PRODUCER,
        "ProduceID": number,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def png_bytes(image: Tensor, request: SampleRequest | None, weights: str) -> bytes:
    """A PNG of an image uint8 [C, H, W], grey or RGB, that carries its provenance.

    It is encoded here as a server makes many small ones, of which Pillow's general way takes most of the time.
    `request`: of this one image (`SampleRequest.singles`) or of a whole grid; None for an image that no request
    makes. `weights`: `Checkpoint.weights_sha256`.
    """
    label = aigc_label(hashlib.sha256(image.numpy().tobytes()).hexdigest()[:32])  # its pixels number an image
    channels, height, width = image.shape
    pixels = image.permute(1, 2, 0).reshape(height, width * channels).numpy()
    rows = numpy.full((height, 1 + width * channels), UP_FILTER, dtype=numpy.uint8)
    rows[:, 1:] = pixels
    rows[1:, 1:] -= pixels[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    packet = _xmp_packet(request, weights, label).encode()
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", header),
            _png_chunk(b"iTXt", XMP_KEYWORD.encode() + bytes(5) + packet),
            _png_chunk(b"tEXt", b"AIGC\0" + json.dumps({"AIGC": label}).encode()),
            _png_chunk(b"IDAT", zlib.compress(rows.tobytes(), level=1)),
            _png_chunk(b"IEND", b""),
        ]
    )


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    """PNG (ISO 15948), section 5.3."""
    return b"".join(
        [struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))]
    )


def save_png(path: Path, image: Tensor, request: SampleRequest | None, weights: str) -> None:
    """Write `png_bytes`. Raises AIGCError when the disk is full or not writable."""
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(png_bytes(image, request, weights))


def _xmp_packet(request: SampleRequest | None, weights: str, label: dict[str, str]) -> str:
    values = {"label": json.dumps(label), "request": request.canonical() if request else "", "weights": weights}
    return XMP_TEMPLATE.substitute({name: escape(value) for name, value in values.items()})


def _xmp_template() -> Template:
    """The packet with $label, $request and $weights in place of what differs from image to image."""
    for prefix, address in NAME_SPACES.items():
        ElementTree.register_namespace(prefix, address)
    properties = {
        "xmp:CreatorTool": f"{PRODUCER} {__version__}",
        "Iptc4xmpExt:DigitalSourceType": DIGITAL_SOURCE_TYPE,
        "TC260:AIGC": "$label",
        "studio:Request": "$request",
        "studio:Weights": "$weights",
    }
    packet = ElementTree.Element(_qualified("x:xmpmeta"))
    description = ElementTree.SubElement(
        ElementTree.SubElement(packet, _qualified("rdf:RDF")),
        _qualified("rdf:Description"),
        {_qualified("rdf:about"): ""},
    )
    for name, value in properties.items():
        ElementTree.SubElement(description, _qualified(name)).text = value
    # The identifier is the one the XMP specification prescribes (part 1, section 7.3.2).
    begin, end = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return Template(begin + ElementTree.tostring(packet, encoding="unicode") + end)


def _qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAME_SPACES[prefix]}}}{local}"


XMP_TEMPLATE = _xmp_template()  # made at once, as registering name spaces changes a table that other threads read


def read_png(file: Path | BinaryIO) -> tuple[Tensor, Provenance]:
    """The pixels of a PNG and its provenance, before or behind the pixels.

    Pixels are uint8 [C, H, W], with a C of 1 for a grey file, 3 for one in colour (of a palette too), and 4 where a
    pixel is transparent. Raises AIGCError when the file is not a PNG, is damaged or larger than 50 megapixels, or says
    nothing of where it comes from.
    """
    name = getattr(file, "name", "the file")
    if what := _other_file(file):
        raise AIGCError(f"'{name}' {what}.")
    with opened(file, ["PNG"]) as picture:
        picture.load()  # Pillow bounds what texts may inflate to
        packet = str(picture.info.get(XMP_KEYWORD, ""))
        pixels = _plain_pixels(picture)
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1), _parse(packet, name)


def _plain_pixels(picture: Image.Image) -> numpy.ndarray:
    """uint8 [H, W] or [H, W, C] in the fewest channels that show all that a picture shows."""
    if picture.mode.startswith("I"):  # grey of 16 bits
        return (numpy.array(picture) >> 8).astype(numpy.uint8)
    if picture.has_transparency_data and picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        return numpy.array(picture.convert("RGBA"))
    return numpy.array(picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"))


OTHER_FILES = {
    rb"GIF8": "is a GIF, which says that it is AI-generated, but not by what request; inspect reads PNG files",
    rb".{4}ftyp": "is an MP4, which says that it is AI-generated, but not by what request; inspect reads PNG files",
    rb"\xff\xd8\xff": "is a JPEG, which keeps neither the request nor the pixels; give the PNG that it was made from",
    rb"RIFF.{4}WEBP": "is a WebP file, which keeps no request; give the PNG that it was made from",
    rb"PK\x03\x04": "is an archive (zip or NPZ); unpack it and inspect the PNG files in it",
}
"""How files begin that are likely to be taken for ours, and what they are here."""


def _other_file(file: Path | BinaryIO) -> str:
    """What a file is that is no PNG; empty for a PNG and where there is none to read."""
    with suppress(OSError), file.open("rb") if isinstance(file, Path) else nullcontext(file) as stream:
        stream.seek(0)
        begin = stream.read(16)
        known = (what for pattern, what in OTHER_FILES.items() if re.match(pattern, begin, re.DOTALL))
        return "" if begin.startswith(b"\x89PNG") else next(known, "is not a PNG")
    return ""


def _parse(packet: str, name: str) -> Provenance:
    try:
        properties = _properties(packet)
        if not {_qualified("studio:Request"), _qualified("studio:Weights")} & properties.keys():
            raise AIGCError(f"'{name}' does not say that AIGC Studio made it: the file carries no request.")
        label = json.loads(properties[_qualified("TC260:AIGC")])
        request = properties.get(_qualified("studio:Request"))  # editors may drop an empty property
        return Provenance(
            SampleRequest.from_canonical(request) if request else None,
            properties[_qualified("studio:Weights")],
            properties[_qualified("Iptc4xmpExt:DigitalSourceType")],
            {str(key): str(value) for key, value in label.items()},
        )
    except (ElementTree.ParseError, KeyError, ValueError, RecursionError, AttributeError):
        raise AIGCError(f"What '{name}' says of where it comes from is damaged.") from None


class _WithoutDoctype(ElementTree.TreeBuilder):
    """No XMP packet has a document type, which is where entities would be declared."""

    def doctype(self, *_: object) -> None:
        raise ValueError("an XMP packet with a document type")


def _properties(packet: str) -> dict[str, str]:
    """The top-level properties of an XMP packet, {name space}name → text, however its RDF/XML is written.

    Of what ISO 16684-1, clause 7 allows: several descriptions, properties as elements or attributes, addresses as
    rdf:resource, qualified values, and arrays, whose first item counts. Raises ElementTree.ParseError or ValueError.
    """
    if not packet:
        return {}
    document = ElementTree.fromstring(packet.lstrip("\ufeff"), ElementTree.XMLParser(target=_WithoutDoctype()))
    return {
        name: value
        for rdf in document.iter(_qualified("rdf:RDF"))
        for description in rdf.findall("rdf:Description", NAME_SPACES)
        for name, value in (*description.items(), *((child.tag, _value(child)) for child in description))
    }


def _value(element: ElementTree.Element) -> str:
    """The text of a property or an item of an array."""
    for name in ("rdf:resource", "rdf:value"):
        if (value := element.get(_qualified(name))) is not None:
            return value
    nested = ("rdf:value", "rdf:Description", "rdf:Alt", "rdf:Bag", "rdf:Seq", "rdf:li")
    inner = next((found for name in nested if (found := element.find(name, NAME_SPACES)) is not None), None)
    return element.text or "" if inner is None else _value(inner)
