"""The targets by name: a new one is a module and a line here."""

from __future__ import annotations

from .hub import HubAnswers
from .images import Images
from .names import Names
from .packets import Packets
from .requests import Requests
from .stored import Stored
from .target import Target

TARGETS: dict[str, type[Target]] = {
    "names": Names,
    "images": Images,
    "stored": Stored,
    "packets": Packets,
    "requests": Requests,
    "hub": HubAnswers,
}
