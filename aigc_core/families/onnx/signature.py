"""The roles of the inputs and the output of a generator in ONNX: read from its graph, or stated if unclear."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy
from pydantic import BeforeValidator, Field

from aigc_core.config import Config, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.modalities.image import ImageModality

from .graph import graph_inputs, inferred_shapes, shape_of

if TYPE_CHECKING:
    import onnx

COMMON_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))
METADATA = "aigc_studio"
"""The key under which this library's exports carry what `Statement` may state, as JSON."""
UNCHANGED = {
    "Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Slice", "Squeeze", "Transpose",
    "Unsqueeze", "Ceil", "Floor", "Round",
}  # fmt: skip
"""Operators whose results lie within the range of their first input, apart from rounding."""
FLOATS = {1: 4, 10: 2, 11: 8, 16: 2}
"""ONNX's codes of float32, float16, float64 and bfloat16, with their bytes."""
INTEGERS = (6, 7)
MAX_DEPTH = 64

label_words = re.compile(r"label|class|cond|^y$|^c$", re.IGNORECASE)
truncation_words = re.compile(r"trunc|psi", re.IGNORECASE)


def _split(value: object) -> object:
    return re.split(r"[x,]", value) if isinstance(value, str) else value


class Statement(Config):
    """What a user may state about an unclear graph, as NAME=VALUE.

    `noise`, `labels`, `truncation`, `images`: names of its inputs and its output. `noise_shape`: of one sample's, such
    as 128 or 3x32x32. `num_classes`: of labels that are numbers. `layout` and `value_range`, such as -1,1, of its
    images; `resolution` and `channels`. `class_names`: separated by commas; `dataset`: what it was trained on.
    """

    noise: str = ""
    labels: str = ""
    truncation: str = ""
    images: str = ""
    noise_shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split)] = ()
    num_classes: int = Field(default=0, ge=0, le=10_000)
    layout: Literal["", "NCHW", "NHWC"] = ""
    value_range: Annotated[tuple[float, ...], BeforeValidator(_split)] = ()
    resolution: int = 0
    channels: int = 0
    class_names: Annotated[
        tuple[str, ...], BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value)
    ] = ()
    dataset: str = ""


class GraphConfig(Config):
    """How samples are drawn from a graph of `size` bytes.

    `noise`, `labels`, `truncation`, `images`: names of its inputs and its output; empty where it has none.
    `noise_shape`: of one sample's noise. `label_kind`: weights float [N, num_classes], or a number a sample. `batch`:
    how many samples it draws at a time; 0 for any number. `layout` of its images, whose values are from `low` to
    `high`. `values`: how many numbers its largest array has for one sample.
    """

    size: int = Field(ge=1)
    noise: str
    noise_shape: tuple[Annotated[int, Field(ge=1, le=2**24)], ...]
    labels: str = ""
    label_kind: Literal["weights", "number"] = "weights"
    truncation: str = ""
    images: str
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    low: float = -1.0
    high: float = 1.0
    batch: int = Field(default=0, ge=0, le=4096)
    values: int = Field(default=1, ge=1)


class Signature(Config):
    """A generator in ONNX: how samples are drawn, what its images are, and what is known of its classes and data."""

    graph: GraphConfig
    modality: ImageModality
    num_classes: int
    class_names: tuple[str, ...] = ()
    dataset: str = ""


def read_signature(model: onnx.ModelProto, size: int, stated: Mapping[str, str], where: str) -> Signature:
    """The signature of a checked graph, completed by what the user states about it.

    Raises AIGCError, which names the statement that is missing, if it is unclear.
    """
    said: dict[str, Any] = {}
    for entry in model.metadata_props:
        if entry.key == METADATA:
            said = _metadata(entry.value)
    told = parse_config(Statement, said | dict(stated), Sentence("What is stated of '{model}'", model=where))
    shapes = inferred_shapes(model, where)
    noise, labels, truncation = _inputs(model, told, where)
    noise_shape = told.noise_shape or shape_of(noise)[1:]
    if None in noise_shape or not noise_shape:
        raise _unclear(where, Sentence("how much noise '{name}' takes", name=noise.name), "noise_shape=128")
    images = _output(model, shapes, told, where)
    layout, modality = _image_shape(shapes[images.name], told, where)
    if images.type.tensor_type.elem_type == 2:
        bounds: tuple[float, ...] | None = (0.0, 255.0)
    else:
        bounds = told.value_range or _common(_Bounds(model).of(images.name))
    if bounds is None or len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise _unclear(where, Sentence("from what to what the values of its images reach"), "value_range=-1,1")
    kind, num_classes = _classes(model, labels, told, where)
    batch = shape_of(noise)[0]
    values = max((math.prod(size or 1 for size in shape) for shape in shapes.values()), default=1)
    graph = GraphConfig(
        size=size,
        noise=noise.name,
        noise_shape=tuple(size for size in noise_shape if size is not None),
        labels=labels.name if labels is not None else "",
        label_kind=kind,
        truncation=truncation.name if truncation is not None else "",
        images=images.name,
        layout=layout,
        low=bounds[0],
        high=bounds[1],
        batch=batch or 0,
        values=max(1, values // (batch or 1)),
    )
    names = told.class_names if len(told.class_names) == num_classes else ()
    return Signature(graph=graph, modality=modality, num_classes=num_classes, class_names=names, dataset=told.dataset)


def _metadata(text: str) -> dict[str, Any]:
    """The statements that an export of this library carries; empty for a file of another tool."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return (
        {name: value for name, value in values.items() if name in Statement.model_fields}
        if isinstance(values, dict)
        else {}
    )


def _unclear(where: str, what: Sentence, example: str) -> AIGCError:
    return AIGCError(
        "'{where}' does not say {what}; state it, for example with --state {example}",
        where=where,
        what=what,
        example=example,
    )


def _inputs(
    model: onnx.ModelProto, told: Statement, where: str
) -> tuple[onnx.ValueInfoProto, onnx.ValueInfoProto | None, onnx.ValueInfoProto | None]:
    """The inputs for noise, labels and truncation, told apart by what is stated, by type, by shape and by name."""
    given = {value.name: value for value in graph_inputs(model)}
    for name in filter(None, (told.noise, told.labels, told.truncation)):
        if name not in given:
            raise AIGCError(
                "'{where}' has no input '{name}'; it has {known}.", where=where, name=name, known=", ".join(given)
            )
    rest = {name: value for name, value in given.items() if name not in (told.noise, told.labels, told.truncation)}

    def kind_of(value: onnx.ValueInfoProto) -> str:
        code, shape = value.type.tensor_type.elem_type, shape_of(value)
        if code in INTEGERS:
            return "labels"
        if code in FLOATS and (truncation_words.search(value.name) or len(shape) == 0):
            return "truncation"
        if code in FLOATS and len(shape) == 2 and label_words.search(value.name):
            return "labels"
        return "noise" if code in FLOATS and len(shape) >= 2 else ""

    found: dict[str, onnx.ValueInfoProto | None] = {
        name: given.get(stated)
        for name, stated in (("noise", told.noise), ("labels", told.labels), ("truncation", told.truncation))
    }
    for value in rest.values():
        kind = kind_of(value)
        if not kind or found[kind] is not None:
            raise _unclear(where, Sentence("what its input '{name}' is", name=value.name), f"noise={value.name}")
        found[kind] = value
    if found["noise"] is None:
        raise AIGCError("'{where}' takes no noise, so it is no generator: its inputs are {known}.", where=where,
                        known=", ".join(given) or Sentence("none"))  # fmt: skip
    return found["noise"], found["labels"], found["truncation"]


def _output(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int | None, ...]], told: Statement, where: str
) -> onnx.ValueInfoProto:
    outputs = {value.name: value for value in model.graph.output}
    if told.images:
        if told.images not in outputs:
            raise AIGCError(
                "'{where}' has no output '{name}'; it has {known}.",
                where=where,
                name=told.images,
                known=", ".join(outputs),
            )
        return outputs[told.images]
    pictures = [value for name, value in outputs.items() if len(shapes.get(name, ())) == 4]
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    if len(pictures) != 1:
        raise _unclear(where, Sentence("which of its outputs are the images"), f"images={next(iter(outputs))}")
    return pictures[0]


def _image_shape(
    shape: tuple[int | None, ...], told: Statement, where: str
) -> tuple[Literal["NCHW", "NHWC"], ImageModality]:
    if len(shape) not in (0, 4):
        raise AIGCError(
            "'{where}' puts out arrays of {dimensions} dimensions; images are [N, channels, height, width].",
            where=where,
            dimensions=len(shape),
        )
    sizes = list(shape[1:]) or [None, None, None]
    layout = told.layout
    if not layout:
        first, last = sizes[0] in (1, 3), sizes[2] in (1, 3)
        if first == last and not (told.channels and told.resolution):
            raise _unclear(where, Sentence("where its images have their channels"), "layout=NCHW")
        layout = "NHWC" if last and not first else "NCHW"
    channels, height, width = sizes if layout == "NCHW" else (sizes[2], sizes[0], sizes[1])
    channels, height, width = told.channels or channels, told.resolution or height, told.resolution or width
    if channels is None:
        raise _unclear(where, Sentence("how many channels its images have"), "channels=3")
    if height is None or width is None:
        raise _unclear(where, Sentence("how large its images are"), "resolution=32")
    if height != width:
        raise AIGCError(
            "'{where}' draws images of {width} × {height} pixels; only square ones can be shown and measured.",
            where=where,
            width=width,
            height=height,
        )
    shape_values = {"channels": channels, "resolution": height}
    return layout, parse_config(ImageModality, shape_values, Sentence("The images of '{data}'", data=where))


def _classes(
    model: onnx.ModelProto, labels: onnx.ValueInfoProto | None, told: Statement, where: str
) -> tuple[Literal["weights", "number"], int]:
    """How labels are given, and how many classes there are."""
    if labels is None:
        return "weights", 0
    shape = shape_of(labels)
    if labels.type.tensor_type.elem_type not in INTEGERS:
        count = told.num_classes or (shape[1] if len(shape) == 2 else None)
        if count is None:
            raise _unclear(where, Sentence("how many classes it knows"), "num_classes=10")
        return "weights", count
    count = told.num_classes or _rows_looked_up(model, labels.name)
    if not count:
        raise _unclear(where, Sentence("how many classes it knows"), "num_classes=10")
    return "number", count


def _rows_looked_up(model: onnx.ModelProto, name: str) -> int:
    """The rows of the table in which an input of numbers looks up its embedding, or the depth of its one-hot code."""
    tables = {tensor.name: tensor for tensor in model.graph.initializer}
    same = {name}
    for node in model.graph.node:
        if node.op_type in UNCHANGED and node.input[0] in same:
            same.update(node.output)
        if node.op_type == "Gather" and node.input[1] in same and node.input[0] in tables:
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
            return tables[node.input[0]].dims[axis] if axis < len(tables[node.input[0]].dims) else 0
        if node.op_type == "OneHot" and node.input[0] in same:
            depth = _Bounds(model).constant(node.input[1])
            return int(depth) if depth is not None else 0
    return 0


def _common(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    """The usual range that these bounds are, apart from rounding, if any."""
    for usual in COMMON_RANGES:
        if bounds and numpy.allclose(bounds, usual, atol=1e-3 * (usual[1] - usual[0])):
            return usual
    return None


class _Bounds:
    """The range of an array's values, as far as its last operators tell."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def constant(self, name: str) -> float | None:
        """The value of a scalar constant."""
        import onnx

        node, tensor = self.makers.get(name), self.constants.get(name)
        if node is not None and node.op_type == "Constant":
            tensor = next((a.t for a in node.attribute if a.name == "value" and a.HasField("t")), None)
            number = next((a.f for a in node.attribute if a.name == "value_float"), None)
            if number is not None:
                return number
        if node is not None and node.op_type in ("Cast", "Identity"):
            return self.constant(node.input[0])
        if tensor is None or math.prod(tensor.dims) != 1:
            return None
        return float(onnx.numpy_helper.to_array(tensor).reshape(()))

    def of(self, name: str, depth: int = 0) -> tuple[float, float] | None:
        """The bounds of an array; None if they are unknown."""
        node = self.makers.get(name)
        if node is None or depth > MAX_DEPTH:
            return None
        if node.op_type == "Tanh":
            return -1.0, 1.0
        if node.op_type in ("Sigmoid", "HardSigmoid", "Softmax"):
            return 0.0, 1.0
        if node.op_type == "Clip":
            return self._clipped(node)
        if node.op_type in UNCHANGED:
            return self.of(node.input[0], depth + 1)
        if node.op_type in ("Add", "Sub", "Mul", "Div"):
            return self._moved(node, depth)
        return None

    def _clipped(self, node: onnx.NodeProto) -> tuple[float, float] | None:
        attributes = {attribute.name: attribute.f for attribute in node.attribute}
        limits = [self.constant(name) if name else None for name in node.input[1:3]]
        low, high = [*limits, None, None][:2]
        low, high = attributes.get("min", low), attributes.get("max", high)
        return None if low is None or high is None else (low, high)

    def _moved(self, node: onnx.NodeProto, depth: int) -> tuple[float, float] | None:
        """By a scalar constant that is added, or a factor."""
        first, second = node.input
        number, known = self.constant(second), first
        if number is None and node.op_type in ("Add", "Mul"):
            number, known = self.constant(first), second
        bounds = self.of(known, depth + 1)
        if number is None or bounds is None:
            return None
        if node.op_type == "Div":
            if not number:
                return None
            ends = [value / number for value in bounds]
        elif node.op_type == "Mul":
            ends = [value * number for value in bounds]
        else:
            ends = [value + (number if node.op_type == "Add" else -number) for value in bounds]
        return min(ends), max(ends)
