"""What every format of others' files provides, and the registry of formats."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE
from aigc_core.registry import Registry

PIPELINE_FILE = "model_index.json"
"""What the folder of a diffusers pipeline has, and no checkpoint of ours."""


@dataclass(frozen=True)
class Format:
    """How files that others made become a checkpoint.

    `wanted`: of the names of all files in a folder (relative, with `/`) those that are needed; empty where they are not
    of this format. `convert(folder, names, stated)`: the checkpoint of these files, which are data of a stranger's;
    `stated` is what a user says of them. It raises AIGCError where they are refused, damaged or unclear. `max_bytes`:
    what each file may have. `version` rises when equal files would give another checkpoint than before.
    """

    wanted: Callable[[Collection[str]], list[str]]
    convert: Callable[[Path, Sequence[str], Mapping[str, str]], StoredCheckpoint]
    max_bytes: int
    version: int = 1


formats: Registry[Format] = Registry("format", "aigc_core.conversion")


def find_format(names: Collection[str]) -> tuple[str, list[str]] | None:
    """The name of the format of a folder's files, and which of these it needs; None for our own, or an unknown one."""
    if {CONFIG_FILE, WEIGHTS_FILE} <= {*names} and PIPELINE_FILE not in names:
        return None
    for name in formats:
        if wanted := formats[name].wanted(names):
            return name, wanted
    return None
