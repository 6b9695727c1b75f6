"""What a visitor may open where an app is open to strangers (a Hugging Face Space).

There the disk also holds what other visitors pulled with their own rights, so that no folder but the shipped ones may
be named; what is on the Hub is asked for with the visitor's own token.
"""

from __future__ import annotations

import os
from pathlib import Path

from aigc_core.checkpoint.reference import CheckpointReference

from .errors import AIGCError

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"


def open_to_strangers() -> bool:
    """Whether this runs on a Space (SPACE_ID is set)."""
    return "SPACE_ID" in os.environ


def check_reference(reference: str | CheckpointReference) -> None:
    """Raises AIGCError for a local folder other than a shipped model, if this is open to strangers."""
    if not open_to_strangers():
        return
    named = CheckpointReference.parse(reference.strip()) if isinstance(reference, str) else reference
    place = named.folder.resolve() if named.folder else Path(os.path.normpath(named.location))
    if not named.is_on_hub and not place.is_relative_to(SHIPPED):
        raise AIGCError(
            "'{name}' cannot be opened here; name a shipped model, or owner/name on the Hub.", name=reference
        )
