"""Which models the app offers, and the steps of their training."""

from __future__ import annotations

import os
from pathlib import Path

from aigc_core.access import SHIPPED, check_reference
from aigc_core.checkpoint.folder import models_in, seed_folders, step_folders
from aigc_core.checkpoint.reference import step_number
from aigc_core.loading import locate

from ..errors import AIGCError

RUNS = Path("runs")
FIRST_CHOICE = "checkpoints/avatars"


def offered_models() -> list[str]:
    """The shipped models, runs in the working directory, and Hub models a Space was deployed with (AIGC_MODELS)."""
    folders = [path for parent in (SHIPPED, RUNS) if parent.is_dir() for path in models_in(parent)]
    known = [path for path in folders if not seed_folders(path)]
    return [f"{path.parent.name}/{path.name}" for path in known] + os.environ.get("AIGC_MODELS", "").split()


def default_model() -> str:
    """What a visitor sees first. Raises AIGCError where there is no model at all."""
    models = offered_models()
    if not models:
        raise AIGCError("There is no model yet; train one, or type the name of one on the Hub.")
    return FIRST_CHOICE if FIRST_CHOICE in models else models[0]


def earlier_steps(model: str, token: str | None = None) -> list[str]:
    """The revisions `step-…` of a model, oldest first: beside a local folder, or branches on the Hub.

    Raises AIGCError if the Hub does not tell, or this visitor may not open the model.
    """
    located = locate(model)
    check_reference(located)
    if folder := located.folder:
        return [step.name for step in step_folders(folder)]
    if located.is_on_hub:
        from aigc_core.hub.revisions import list_revisions

        names = [revision.name for revision in list_revisions(located.location, token)]
        return sorted(
            (name for name in names if step_number(name) is not None), key=lambda name: step_number(name) or 0
        )
    return []
