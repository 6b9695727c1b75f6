"""Export a checkpoint's model as one ONNX graph, `z[, labels] → images`.

The exporter traces the sampler with fixed options: the steps of a flow become part of the graph. Samples of the graph
are compared with PyTorch's before the file is written.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy
import torch
from torch import Tensor, nn

from aigc_core.checkpoint.checkpoint import StoredCheckpoint
from aigc_core.errors import AIGCError
from aigc_core.families.base import Condition, Model, SamplerOptions
from aigc_core.families.onnx.graph import check_graph, require_onnx
from aigc_core.families.onnx.model import OnnxModel
from aigc_core.families.onnx.signature import METADATA, read_signature
from aigc_core.files import atomic_write
from aigc_core.modalities.image import image_kind
from aigc_core.sampling.sample import generate_batch, seed_noise

if TYPE_CHECKING:
    import onnx

Precision = Literal["float32", "float16", "int8"]
OPSET = 18
CHECKED_SEEDS = range(1_000_000, 1_000_016)
"""Seeds whose samples are compared."""
CALIBRATION_SEEDS = range(2_000_000, 2_000_064)
"""Seeds whose noise shows the ranges of the values inside the network, for quantising them to 8 bits."""
CALIBRATION_BATCH = 8
TOLERANCE = 1
"""How far, of 255, a value of the float32 graph may lie from PyTorch's."""


@dataclass(frozen=True)
class Exported:
    """An exported file: its `size` in bytes, and the `largest` and `mean` difference from PyTorch's samples, of 255."""

    size: int
    largest: int
    mean: float


class Drawing(nn.Module):
    """A model as a function of noise [N, …] and, where it knows classes, their weights [N, num_classes]."""

    def __init__(self, model: Model, options: SamplerOptions) -> None:
        super().__init__()
        self.model, self.options = model, options

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        classes = z.flatten(1)[:, :0] if labels is None else labels
        return self.model.generate(z, Condition(classes), self.options)


def export_onnx(
    checkpoint: StoredCheckpoint, path: Path, options: SamplerOptions, precision: Precision = "float32"
) -> Exported:
    """Write the model as an ONNX file and return how far its samples lie from PyTorch's.

    `precision`: "float16" halves the file; "int8" quantises weights and activations and quarters it.
    Raises AIGCError if the model cannot be one graph or does not draw images, a package is missing, the exporter cannot
    translate an operation, or the float32 graph draws other images than PyTorch.
    """
    _require_exporter()
    kind, config = image_kind(checkpoint.modality), checkpoint.config
    if not checkpoint.model.single_graph:
        raise AIGCError(
            "A model of the family '{family}' draws one value after another, so it is no single graph and cannot be "
            "exported.",
            family=config.family,
        )
    graph = _translated(checkpoint, options)
    said = {
        "noise_shape": checkpoint.model.noise_shape,
        "value_range": (-1.0, 1.0),
        "layout": "NCHW",
        "channels": kind.channels,
        "resolution": kind.resolution,
        "num_classes": config.num_classes,
        "class_names": config.class_names,
        "dataset": config.published().dataset,
    }
    graph.metadata_props.add(key=METADATA, value=json.dumps(said))
    largest, mean = _difference(checkpoint, options, graph)
    if largest > TOLERANCE:
        raise AIGCError(
            "The graph draws other images than PyTorch, by up to {largest} of 255, so nothing was written.",
            largest=largest,
        )
    if precision != "float32":
        graph = _halved(graph) if precision == "float16" else _quantised(graph, checkpoint)
        largest, mean = _difference(checkpoint, options, graph)
    content = graph.SerializeToString()
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content)
    return Exported(len(content), largest, mean)


def _require_exporter() -> None:
    require_onnx()
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise AIGCError(
            "Exporting to ONNX needs the package onnxscript ({error}); run: pip install 'onnxscript>=0.2'", error=error
        ) from None


def _translated(checkpoint: StoredCheckpoint, options: SamplerOptions) -> onnx.ModelProto:
    """The graph in float32, for any number of samples."""
    model, classes = checkpoint.model, checkpoint.config.num_classes
    drawing = Drawing(model, options).cpu().eval()
    given = (torch.zeros(2, *model.noise_shape), *([torch.eye(classes)[[0, 0]]] if classes else []))
    names = ["z", "labels"][: len(given)]
    batch = torch.export.Dim("n", min=1, max=4096)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names of dimensions, and of what the exporter's own code calls
            program = torch.onnx.export(
                drawing,
                given,
                input_names=names,
                output_names=["images"],
                dynamic_shapes=tuple({0: batch} for _ in given),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise AIGCError("PyTorch's exporter cannot translate this model: {reason}", reason=reason[:300]) from None
    finally:
        drawing.to(checkpoint.model.device)
    assert program is not None
    return program.model_proto


def _difference(checkpoint: StoredCheckpoint, options: SamplerOptions, graph: onnx.ModelProto) -> tuple[int, float]:
    """The largest and the mean difference between the graph's samples and the model's, of 255."""
    content = graph.SerializeToString()
    check_graph(graph, "FILE.onnx")
    model = OnnxModel(read_signature(graph, len(content), {}, "FILE.onnx").graph, image_kind(checkpoint.modality))
    model.load_state_dict({"graph": torch.from_numpy(numpy.frombuffer(content, dtype=numpy.uint8).copy())})
    noise, condition = seed_noise(checkpoint, CHECKED_SEEDS)
    with torch.inference_mode():
        expected = generate_batch(checkpoint, noise, condition, options).cpu()
    found = checkpoint.modality.to_stored(model.generate(noise, condition, SamplerOptions()))
    difference = (expected.int() - found.int()).abs()
    return int(difference.max()), float(difference.float().mean())


def _halved(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights and values in float16; its inputs and its output stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel as SortableGraph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that float16 rounds to 0
        halved = SortableGraph(convert_float_to_float16(graph, keep_io_types=True))
    halved.topological_sort()  # what casts the inputs was put last
    return halved.model


def _quantised(graph: onnx.ModelProto, checkpoint: StoredCheckpoint) -> onnx.ModelProto:
    """The graph with 8-bit weights, scaled per channel, and 8-bit values (Jacob et al. 2018), whose ranges are measured
    with the noise of a few seeds."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    noise, condition = seed_noise(checkpoint, CALIBRATION_SEEDS)
    batches = [
        {"z": part.numpy()} | ({"labels": labels.numpy()} if checkpoint.config.num_classes else {})
        for part, labels in zip(noise.split(CALIBRATION_BATCH), condition.classes.split(CALIBRATION_BATCH))
    ]

    class Noise(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(batches)

        def get_next(self) -> dict[str, numpy.ndarray] | None:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as scratch:
        before, after = Path(scratch, "before.onnx"), Path(scratch, "after.onnx")
        onnx.save(graph, before)
        quantize_static(
            before,
            after,
            Noise(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(after)
