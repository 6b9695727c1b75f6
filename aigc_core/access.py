"""What a visitor may open if the app is public (on a Hugging Face Space).

Its disk also holds what other visitors pulled with their own rights, so no local folders except the shipped ones may be
named; the Hub is asked with the visitor's own token.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
from pathlib import Path

from aigc_core.checkpoint.reference import CheckpointReference

from .errors import AIGCError

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"
_process_key = secrets.token_bytes(32)


def is_public() -> bool:
    """Whether this runs on a Space (SPACE_ID is set)."""
    return "SPACE_ID" in os.environ


def is_for_one(host: str) -> bool:
    """Whether a server that listens at a host's address is reached by nobody but this machine's own user."""
    if is_public():
        return False
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host == "localhost"


def fingerprint(token: str | None) -> str | None:
    """A hash that distinguishes visitors' tokens without revealing them; its key exists only in this process."""
    return token and hashlib.blake2b(token.encode(), key=_process_key, digest_size=16).hexdigest()


def check_reference(reference: str | CheckpointReference) -> None:
    """Raises AIGCError for a local folder other than a shipped model, if this runs on a Space."""
    if not is_public():
        return
    named = CheckpointReference.parse(reference.strip()) if isinstance(reference, str) else reference
    place = named.folder.resolve() if named.folder else Path(os.path.normpath(named.location))
    if not named.is_on_hub and not place.is_relative_to(SHIPPED):
        raise AIGCError(
            "'{name}' cannot be opened here; name a shipped model, or owner/name on the Hub.", name=reference
        )
