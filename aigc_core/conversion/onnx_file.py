"""ONNX files, with the weights that lie beside them, as checkpoints of the family `onnx`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy
import torch

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.checkpoint.config import CheckpointConfig
from aigc_core.errors import AIGCError
from aigc_core.families.base import families
from aigc_core.families.onnx.graph import MAX_BYTES, read_graph
from aigc_core.families.onnx.signature import read_signature

from .base import Format, formats

ONNX_SUFFIX = ".onnx"
DATA_SUFFIXES = (".data", ".onnx_data", ".weights", ".bin")
"""Suffixes of files in which exporters put weights; their bytes are read as numbers and nothing else."""


def wanted(names: Collection[str]) -> list[str]:
    """The ONNX file and those that may hold its weights; if there are several, all, which `convert` refuses."""
    graphs = sorted(name for name in names if name.lower().endswith(ONNX_SUFFIX))
    if not graphs:
        return []
    folders = {Path(name).parent.as_posix() for name in graphs}
    data = [
        name
        for name in names
        if name.lower().endswith(DATA_SUFFIXES)
        and Path(name).parent.as_posix() in folders
        and any(Path(name).name.startswith(Path(graph).stem) for graph in graphs)
    ]
    return [*graphs, *sorted(data)]


def convert(folder: Path, names: Sequence[str], stated: Mapping[str, str]) -> StoredCheckpoint:
    """The checkpoint of the ONNX file among `names`. Raises AIGCError where it is refused, damaged or unclear."""
    graphs = [name for name in names if name.lower().endswith(ONNX_SUFFIX)]
    if len(graphs) != 1:
        raise AIGCError(
            "'{folder}' has several ONNX files ({names}); name one of them.", folder=folder, names=", ".join(graphs)
        )
    path = folder / graphs[0]
    beside = [(folder / name).relative_to(path.parent).as_posix() for name in names if name not in graphs]
    graph = read_graph(path.parent, path.name, beside)
    content = graph.SerializeToString()
    found = read_signature(graph, len(content), stated, str(path))
    config = CheckpointConfig(
        family="onnx",
        architecture="graph",
        architecture_config=found.graph.model_dump(mode="json"),
        shape=found.modality.model_dump(mode="json"),
        num_classes=found.num_classes,
        class_names=found.class_names,
        dataset=found.dataset,
    )
    model = families[config.family].build_model(config.spec)
    model.load_state_dict({"graph": torch.from_numpy(numpy.frombuffer(content, dtype=numpy.uint8).copy())})
    return StoredCheckpoint(config, model.eval())


formats.register("onnx", Format(wanted, convert, MAX_BYTES))
