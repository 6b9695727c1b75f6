"""Letting this process's client use a local Hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from .server import LocalHub


def connect_client(hub: LocalHub, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the client of this process use a Hub as the user ada, with a cache of its own, until `patch` is undone."""
    for name, value in hub.environment(cache).items():
        patch.setenv(name, value)
    # The client has read its settings from the environment when it was imported.
    address = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address)
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "hub"))
    patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
