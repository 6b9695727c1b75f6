"""PNG files that say what they are: the request that makes them again, and that they are AI-generated."""

from __future__ import annotations

import io
import json

import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from .sampling import SampleRequest

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model (IPTC Photo Metadata 2023.1, Digital Source Type)."""

XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    f"<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
REQUEST_KEY = "aigc-studio"


def to_picture(image: Tensor) -> Image.Image:
    """uint8 [C, H, W] → a PIL image."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())


def png_bytes(image: Tensor, request: SampleRequest) -> bytes:
    """A PNG of one image uint8 [C, H, W] that carries its request and the statement that it is AI-generated.

    The statement is an XMP packet with IPTC's digital source type and an `AIGC` field (GB 45438-2025, appendix E:
    Label "1" says that the content is generated).
    """
    information = PngImagePlugin.PngInfo()
    information.add_itxt(REQUEST_KEY, request.canonical())
    information.add_itxt("XML:com.adobe.xmp", XMP)
    information.add_itxt(
        "AIGC", json.dumps({"Label": "1", "ContentProducer": "AIGC Studio", "ProduceID": request.canonical()})
    )
    buffer = io.BytesIO()
    to_picture(image).save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def single_requests(request: SampleRequest, labels: Tensor) -> list[SampleRequest]:
    """The request of each image of a request by itself; `labels` are the class weights [N, num_classes] it had."""
    return [
        request.model_copy(update={"seed": (request.seed + k) % 2**32, "count": 1, "labels": _as_text(row)})
        for k, row in enumerate(labels)
    ]


def _as_text(weights: Tensor) -> str:
    chosen = weights.nonzero().squeeze(1).tolist()
    if len(chosen) == 1:
        return str(chosen[0])
    return "+".join(f"{label}:{weights[label].item():.6g}" for label in chosen)


def read_request(data: bytes) -> SampleRequest | None:
    """The request a PNG carries, or None if it carries none."""
    with Image.open(io.BytesIO(data)) as picture:
        text = picture.info.get(REQUEST_KEY)
    return SampleRequest.from_canonical(text) if text else None


def pixels(data: bytes) -> Tensor:
    """The pixels of a PNG as uint8 [C, H, W]."""
    import numpy

    with Image.open(io.BytesIO(data)) as picture:
        array = numpy.array(picture)
    return torch.from_numpy(array).reshape(*array.shape[:2], -1).permute(2, 0, 1)
