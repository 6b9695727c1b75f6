"""Figures that others state for their models: claimed, not measured, and so never ranked.

They come from a model card's model-index (https://github.com/huggingface/hub-docs, modelcard.md), or from a file such
as `metric-fid50k_full.jsonl`, written by StyleGAN and its successors: one object per line with `results`, of which the
last counts. None of it is trusted: text is cut, and values that are not numbers are left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard

from aigc_core.checkpoint.layout import CARD_FILE
from aigc_core.checkpoint.reference import DATASETS, MAIN, CheckpointReference

from .client import checked_names, hub_client
from .faults import faults_as_sentences
from .files import fetch_file

MAX_BYTES = 2**20
MAX_CLAIMS = 50
MAX_FILES = 20
MAX_LETTERS = 100

metric_file = re.compile(r"(?:[\w.-]+/)*metric-[\w.-]+\.jsonl", re.ASCII)


@dataclass(frozen=True)
class Claim:
    """A figure with its value, as stated in `file`; `data`: what it was measured on, empty if not stated."""

    figure: str
    value: float
    data: str
    file: str


def find_claims(reference: CheckpointReference, token: str | None = None) -> list[Claim]:
    """The claims in a checkpoint's folder or repository on the Hub. Raises AIGCError as `pull` does."""
    if folder := reference.folder:
        names = [path.name for path in sorted(folder.iterdir()) if path.is_file()]
        return read_claims({name: folder / name for name in _stating(names)})
    if not reference.is_on_hub or reference.location.startswith(DATASETS):
        return []
    return hub_claims(reference.location, reference.revision or MAIN, token)


def hub_claims(repo_id: str, revision: str, token: str | None = None) -> list[Claim]:
    """The claims in a revision of a repository on the Hub. Raises AIGCError as `pull` does."""
    api = hub_client(token)
    checked_names(repo_id, revision)
    with faults_as_sentences(f"'{repo_id}'"):
        info = api.model_info(repo_id, revision=revision, files_metadata=True)
        listed = {file.rfilename: file for file in info.siblings or [] if (file.size or 0) <= MAX_BYTES}
        names = _stating(sorted(listed))
        return read_claims({name: fetch_file(api, repo_id, str(info.sha), listed[name]) for name in names})


def _stating(names: list[str]) -> list[str]:
    """The names of files that may have claims."""
    return [name for name in names if name == CARD_FILE or metric_file.fullmatch(name)][:MAX_FILES]


def read_claims(files: Mapping[str, Path]) -> list[Claim]:
    """The claims in files, given by name; of each figure on each data set, the last that a file states.

    Files that cannot be read are left out.
    """
    found: list[Claim] = []
    for name, path in files.items():
        with suppress(OSError):
            status = path.stat()
            if status.st_size <= MAX_BYTES:
                found += _claims_in(name, path.resolve(), status.st_size, status.st_mtime_ns)
    return found[:MAX_CLAIMS]


@lru_cache(maxsize=1024)
def _claims_in(name: str, path: Path, size: int, written: int) -> list[Claim]:
    """The claims in a file; `size` and `written` make the cache forget it when it changes. Raises OSError if it cannot
    be read."""
    content = path.read_bytes().decode("utf-8-sig", errors="replace")
    found: dict[tuple[str, str], Claim] = {}
    for figure, value, data in _of_card(content) if name == CARD_FILE else _of_metric_file(content):
        if (number := _number(value)) is not None:
            claim = Claim(_short(figure), number, _short(data), name)
            found[claim.figure, claim.data] = claim
    return [*found.values()]


def _of_card(content: str) -> Iterator[tuple[object, object, object]]:
    try:
        results = ModelCard(content, ignore_metadata_errors=True).data.get("eval_results") or []
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError):
        return  # metadata that only their owner can put right
    for entry in results:
        measured_here = isinstance(entry.metric_args, dict) and "protocol" in entry.metric_args
        if not measured_here:
            yield entry.metric_name or entry.metric_type, entry.metric_value, entry.dataset_name or entry.dataset_type


def _of_metric_file(content: str) -> Iterator[tuple[object, object, object]]:
    for line in content.splitlines():
        with suppress(ValueError, RecursionError):
            values = json.loads(line)
            results = values.get("results") if isinstance(values, dict) else None
            if isinstance(results, dict):
                yield from ((figure, value, "") for figure, value in results.items())


def _number(value: Any) -> float | None:
    """A finite number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    with suppress(ValueError, OverflowError):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def _short(text: object) -> str:
    return " ".join(str(text or "").split())[:MAX_LETTERS].encode(errors="replace").decode()
