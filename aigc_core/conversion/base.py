"""The contract of formats of other tools, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.layout import CONFIG_FILE, WEIGHTS_FILE
from aigc_core.registry import Registry

PIPELINE_FILE = "model_index.json"
"""A file that every diffusers pipeline has, and none of our checkpoints."""


@dataclass(frozen=True)
class Format:
    """How files that others made become a checkpoint.

    `wanted`: selects the files that are needed from the names of all files in a folder (relative, with `/`); empty if
    the folder is not of this format. `convert(folder, names, stated)`: converts these files, which are not trusted;
    `stated` is what the user says about them. It raises AIGCError if they are refused, damaged or unclear.
    `max_bytes`: the limit for each file. `version`: raised whenever the same files would give another checkpoint.
    """

    wanted: Callable[[Collection[str]], list[str]]
    convert: Callable[[Path, Sequence[str], Mapping[str, str]], StoredCheckpoint]
    max_bytes: int
    version: int = 1


formats: Registry[Format] = Registry("format", "aigc_core.conversion")


def find_format(names: Collection[str]) -> tuple[str, list[str]] | None:
    """The format of a folder's files and the files that it needs; None for our own format, or an unknown one."""
    if {CONFIG_FILE, WEIGHTS_FILE} <= {*names} and PIPELINE_FILE not in names:
        return None
    for name in formats:
        if wanted := formats[name].wanted(names):
            return name, wanted
    return None
