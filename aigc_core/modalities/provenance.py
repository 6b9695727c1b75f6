"""What a file says of itself: the request that makes it again, and that it is AI-generated.

All of it fits into an XMP packet (ISO 16684-1):

- IPTC's digital source type `trainedAlgorithmicMedia` (IPTC Photo Metadata Standard, Digital Source Type);
- the property `AIGC` in the name space that the Chinese guide TC260-PG-20259A reserves for it, holding the JSON of
  GB 45438-2025, appendix E;
- in a name space of ours, the request's canonical string and the SHA-256 of the weights.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from torch import Tensor

from aigc_core.errors import AIGCError
from aigc_core.version import __version__

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
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
class Statement:
    """What a file of samples will state about them.

    `request`: the canonical request that makes them again; empty where none does (inverted or interpolated).
    `weights`: the SHA-256 of the model's.
    """

    request: str
    weights: str


@dataclass(frozen=True)
class Provenance:
    """What a file states about itself.

    `request` and `weights` as in `Statement`. `source_type`: IPTC's term. `aigc`: the fields of GB 45438-2025.
    """

    request: str
    weights: str
    source_type: str
    aigc: dict[str, str]

    @classmethod
    def parse(cls, said: Any) -> Provenance:
        """What a file states, from JSON with the fields' names. Raises ValueError or TypeError for anything else."""
        provenance = cls(**said)
        texts = [provenance.request, provenance.weights, provenance.source_type]
        if not isinstance(provenance.aigc, dict) or not all(
            isinstance(text, str) for text in (*texts, *provenance.aigc.values())
        ):
            raise TypeError("what a file states is text")
        return provenance

    @classmethod
    def of(cls, statement: Statement, stored: Tensor) -> Provenance:
        """The provenance of a file that holds just these samples, stored tensors of any shape."""
        number = hashlib.sha256(stored.contiguous().numpy().data).hexdigest()[:32]  # identifies the file by its content
        return cls(statement.request, statement.weights, DIGITAL_SOURCE_TYPE, aigc_label(number))


def sidecar(path: Path) -> Path:
    """The file beside another that states where that comes from, for kinds of files that cannot say it themselves."""
    return path.with_name(path.name + ".json")


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


def xmp_packet(provenance: Provenance) -> str:
    """The XMP packet that states a provenance, as text."""
    values = {
        "source_type": provenance.source_type,
        "label": json.dumps(provenance.aigc),
        "request": provenance.request,
        "weights": provenance.weights,
    }
    return XMP_TEMPLATE.substitute({name: escape(value) for name, value in values.items()})


def _xmp_template() -> Template:
    """The packet with a $name for each value that differs between files."""
    for prefix, address in NAME_SPACES.items():
        ElementTree.register_namespace(prefix, address)
    properties = {
        "xmp:CreatorTool": f"{PRODUCER} {__version__}",
        "Iptc4xmpExt:DigitalSourceType": "$source_type",
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


def parse_packet(packet: str, name: str) -> Provenance:
    """Parse the XMP packet of the file `name`. Raises AIGCError if it holds no provenance of ours, or is damaged."""
    try:
        properties = _properties(packet)
        if not {_qualified("studio:Request"), _qualified("studio:Weights")} & properties.keys():
            raise AIGCError("'{name}' does not say that AIGC Studio made it: the file carries no request.", name=name)
        label = json.loads(properties[_qualified("TC260:AIGC")])
        return Provenance(
            properties.get(_qualified("studio:Request"), ""),  # editors may drop an empty property
            properties[_qualified("studio:Weights")],
            properties[_qualified("Iptc4xmpExt:DigitalSourceType")],
            {str(key): str(value) for key, value in label.items()},
        )
    except (ElementTree.ParseError, KeyError, ValueError, RecursionError, AttributeError):
        raise AIGCError("What '{name}' says of where it comes from is damaged.", name=name) from None


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
