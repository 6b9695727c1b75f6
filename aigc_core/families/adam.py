"""Settings of Adam that several families share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Decay = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Decay, Decay]
"""β₁ and β₂, the decay of the two moving averages (Kingma & Ba 2015, algorithm 1)."""
