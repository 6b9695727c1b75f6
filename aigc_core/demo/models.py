"""Which models the app offers, and loading them."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from aigc_core.access import SHIPPED, check_reference
from aigc_core.checkpoint.folder import step_folders
from aigc_core.checkpoint.layout import CONFIG_FILE
from aigc_core.checkpoint.reference import CheckpointReference, step_number
from aigc_core.hub.resolve import resolve_reference
from aigc_core.pipeline import Checkpoint

from ..device import best_device
from ..errors import AIGCError

RUNS = Path("runs")
FIRST_CHOICE = "checkpoints/fashion-mnist"


def offered_models() -> list[str]:
    """The shipped models, runs in the working directory, and Hub models a Space was deployed with (AIGC_MODELS)."""
    folders = [path for parent in (SHIPPED, RUNS) if parent.is_dir() for path in sorted(parent.iterdir())]
    known = [path for path in folders if path.is_dir() and ((path / CONFIG_FILE).is_file() or step_folders(path))]
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
    located = _located(model)
    check_reference(located)
    if folder := located.folder:
        return [step.name for step in step_folders(folder)]
    if located.is_on_hub:
        from aigc_core.hub.client import list_revisions

        names = [revision.name for revision in list_revisions(located.location, token)]
        return sorted(
            (name for name in names if step_number(name) is not None), key=lambda name: step_number(name) or 0
        )
    return []


def find(reference: str, token: str | None = None) -> Path:
    """The folder of a checkpoint. Raises AIGCError if there is none, or this visitor may not open it."""
    located = _located(reference)
    check_reference(located)
    return resolve_reference(located, token=token)


def load(reference: str, token: str | None = None) -> Checkpoint:
    """The checkpoint of a reference on the best device. Raises AIGCError as `find` and `from_pretrained` do.

    One on the Hub is fetched once for each visitor's token; a run that is still being trained is read again when it
    has a newer checkpoint.
    """
    if _located(reference).is_on_hub:
        return _load(reference, token, 0)
    folder = find(reference, token)
    config = folder / CONFIG_FILE
    return _load(str(folder), None, config.stat().st_mtime_ns if config.is_file() else 0)


@lru_cache(16)
def _load(reference: str, token: str | None, _written: int) -> Checkpoint:
    check_reference(reference)
    return Checkpoint.from_pretrained(reference, token=token, device=best_device())


def _located(reference: str) -> CheckpointReference:
    """Shipped models lie beside the package, wherever the app was started from."""
    reference, shipped = reference.strip(), f"{SHIPPED.name}/"
    if reference.startswith(shipped):
        reference = str(SHIPPED / reference.removeprefix(shipped))
    return CheckpointReference.parse(reference)
