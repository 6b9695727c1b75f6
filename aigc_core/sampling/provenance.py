"""PNG files that say what they are: the request that makes them again, and that they are AI-generated.

All of it lies in an XMP packet (ISO 16684-1), in PNG an iTXt chunk `XML:com.adobe.xmp`:

- IPTC's digital source type `trainedAlgorithmicMedia` (IPTC Photo Metadata Standard, Digital Source Type);
- the property `AIGC` in the name space that the Chinese guide TC260-PG-20259A reserves for it, holding the JSON of
  GB 45438-2025, appendix E; the guide's appendix B has the same in a tEXt chunk `AIGC`, which is written too;
- in a name space of ours, the request's canonical string and the SHA-256 of the weights.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

import numpy
import torch
from PIL import Image, PngImagePlugin
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


def aigc_label(image: Tensor) -> dict[str, str]:
    """The fields of GB 45438-2025, appendix E, for pixels uint8 of any shape.

    Label "1" says that the content is generated; it is numbered by the hash of its pixels. Whoever spreads it
    fills in the propagator's fields; the reserved ones are for each side's own safeguards.
    """
    return {
        "Label": "1",
        "ContentProducer": PRODUCER,
        "ProduceID": hashlib.sha256(image.numpy().tobytes()).hexdigest()[:32],
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def png_bytes(image: Tensor, request: SampleRequest | None, weights: str) -> bytes:
    """A PNG of an image uint8 [C, H, W] that carries its provenance.

    `request`: of this one image (`SampleRequest.singles`) or of a whole grid; None for an image that no request
    makes. `weights`: `Checkpoint.weights_sha256`.
    """
    label = aigc_label(image)
    information = PngImagePlugin.PngInfo()
    information.add_itxt(XMP_KEYWORD, _xmp_packet(request, weights, label))
    information.add_text("AIGC", json.dumps({"AIGC": label}))
    buffer = io.BytesIO()
    to_picture(image).save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def save_png(path: Path, image: Tensor, request: SampleRequest | None, weights: str) -> None:
    """Write `png_bytes`. Raises AIGCError when the disk is full or not writable."""
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(png_bytes(image, request, weights))


def _xmp_packet(request: SampleRequest | None, weights: str, label: dict[str, str]) -> str:
    for prefix, address in NAME_SPACES.items():
        ElementTree.register_namespace(prefix, address)
    properties = {
        "xmp:CreatorTool": f"{PRODUCER} {__version__}",
        "Iptc4xmpExt:DigitalSourceType": DIGITAL_SOURCE_TYPE,
        "TC260:AIGC": json.dumps(label),
        "studio:Request": request.canonical() if request else "",
        "studio:Weights": weights,
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
    return begin + ElementTree.tostring(packet, encoding="unicode") + end


def _qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAME_SPACES[prefix]}}}{local}"


def read_png(file: Path | BinaryIO) -> tuple[Tensor, Provenance]:
    """The pixels uint8 [C, H, W] of a PNG and its provenance.

    Raises AIGCError when the file is not a PNG, is damaged or larger than 50 megapixels, or says nothing of where
    it comes from.
    """
    with opened(file, ["PNG"]) as picture:
        packet = str(picture.info.get(XMP_KEYWORD, ""))
        pixels = numpy.array(picture.convert("RGB") if picture.mode not in ("L", "RGB") else picture)
    name = getattr(file, "name", "the file")
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1), _parse(packet, name)


def _parse(packet: str, name: str) -> Provenance:
    if "studio:Request" not in packet or "<!DOCTYPE" in packet:
        raise AIGCError(f"'{name}' does not say that AIGC Studio made it: the file carries no request.")
    try:
        description = ElementTree.fromstring(packet.lstrip("\ufeff")).find("rdf:RDF/rdf:Description", NAME_SPACES)
        values = {} if description is None else {child.tag: child.text or "" for child in description}
        label = json.loads(values[_qualified("TC260:AIGC")])
        request = values[_qualified("studio:Request")]
        return Provenance(
            SampleRequest.from_canonical(request) if request else None,
            values[_qualified("studio:Weights")],
            values[_qualified("Iptc4xmpExt:DigitalSourceType")],
            {str(key): str(value) for key, value in label.items()},
        )
    except (ElementTree.ParseError, KeyError, ValueError, RecursionError, AttributeError):
        raise AIGCError(f"What '{name}' says of where it comes from is damaged.") from None
