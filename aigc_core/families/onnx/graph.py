"""Read an ONNX file and check what it holds, without running any of it.

A graph from elsewhere can name files of the machine as its weights, ask for arrays of any size, and loop for ever. So
only data inside the file, or in the files beside it that were found with it, is read; control flow, functions, random
numbers and operators beyond ONNX's own are refused; and arrays are measured before they exist.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from aigc_core.errors import AIGCError, Sentence

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 10**9
"""The largest graph, with its weights, in bytes."""
MAX_VALUES = 2**27
"""The most numbers that one array may have while one sample is drawn."""
BOUND_BYTES = 4096
"""Constants up to this size are left in the graph from which shapes are inferred."""
NUMBERS = frozenset(range(1, 8)) | frozenset(range(9, 14)) | {16}
"""ONNX's codes of the types that constants may have: booleans, integers and floats of 8 to 64 bits."""
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


def require_onnx() -> None:
    """Raise AIGCError if the packages that read and run ONNX are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise AIGCError(
            "ONNX needs the packages onnx and onnxruntime ({error}); run: pip install 'onnx>=1.17' 'onnxruntime>=1.20'",
            error=error,
        ) from None


def read_graph(folder: Path, name: str, beside: Collection[str] = ()) -> onnx.ModelProto:
    """The graph of a file with all its weights in it, checked by `check_graph`.

    `beside`: names of the files in the folder that weights may come from. Raises AIGCError for anything else.
    """
    require_onnx()
    path = folder / name
    if path.stat().st_size > MAX_BYTES:
        raise AIGCError("'{path}' is larger than {limit:,} bytes; refused.", path=path, limit=MAX_BYTES)
    model = parse_graph(path.read_bytes(), str(path))
    _refuse_unknown(model, str(path))
    total = path.stat().st_size
    for tensor in _tensors(model):
        if tensor.data_location != tensor.EXTERNAL:
            continue
        total += _count(tensor.dims) * _item_bytes(tensor)
        if total > MAX_BYTES:
            raise AIGCError("'{path}' is larger than {limit:,} bytes; refused.", path=path, limit=MAX_BYTES)
        _embed(tensor, path, beside)
    check_graph(model, str(path))
    return model


def parse_graph(content: bytes, where: str) -> onnx.ModelProto:
    """Parse the bytes of a file. Raises AIGCError if they are damaged or not ONNX."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.graph.output or not model.opset_import:
        raise AIGCError("'{where}' is damaged or no ONNX file; export it again.", where=where)
    return model


def check_graph(model: onnx.ModelProto, where: str) -> None:
    """Raise AIGCError if a graph holds anything that is refused, or is not valid; its weights must be embedded."""
    import onnx

    _refuse_unknown(model, where)
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL:
            raise AIGCError("'{where}' keeps weights in other files; refused.", where=where)
        expected, found = _count(tensor.dims) * _item_bytes(tensor), _bytes_present(tensor)
        if expected != found:
            raise AIGCError(
                "'{where}': the constant '{name}' says that it has {expected:,} bytes and has {found:,}; refused.",
                where=where,
                name=tensor.name,
                expected=expected,
                found=found,
            )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AIGCError("'{where}' is no valid ONNX graph: {reason}.", where=where, reason=reason) from None


def inferred_shapes(model: onnx.ModelProto, where: str) -> dict[str, tuple[int | None, ...]]:
    """The shapes of all arrays by name, for one sample; None for a size that cannot be inferred.

    Sizes of outputs that cannot be inferred are taken from the file; a run checks them. Raises AIGCError if an array
    would be larger than `MAX_VALUES`.
    """
    import onnx

    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    light.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if _bytes_present(tensor) <= BOUND_BYTES:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    for value in graph_inputs(model):
        one = light.graph.input.add()
        one.CopyFrom(value)
        dims = one.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    for value in light.graph.output:
        value.type.tensor_type.ClearField("shape")  # the file may declare a wrong one
    try:
        found = onnx.shape_inference.infer_shapes(light, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AIGCError("'{where}' is no valid ONNX graph: {reason}.", where=where, reason=reason) from None
    shapes = {}
    for value in [*found.graph.value_info, *found.graph.input, *found.graph.output]:
        shape = shape_of(value)
        known = math.prod(size for size in shape if size is not None)
        if known > MAX_VALUES:
            raise AIGCError(
                "'{where}': the array '{name}' would have {count:,} numbers for one sample, and at most {limit:,} are "
                "allowed; refused.",
                where=where,
                name=value.name,
                count=known,
                limit=MAX_VALUES,
            )
        shapes[value.name] = shape
    for value in model.graph.output:
        found_shape, declared = shapes.get(value.name, ()), shape_of(value)
        if not found_shape:
            shapes[value.name] = declared
        elif len(found_shape) == len(declared):
            shapes[value.name] = tuple(size or said for size, said in zip(found_shape, declared))
    return shapes


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller provides; older files list their weights as inputs too."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """The sizes of an array; None for one that the file does not state."""
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None
        for dim in value.type.tensor_type.shape.dim
    )


def _refuse_unknown(model: onnx.ModelProto, where: str) -> None:
    """Raise AIGCError for operators that could run for ever, draw random numbers, or are not ONNX's own."""
    reason: Sentence | None = None
    if model.functions:
        reason = Sentence("functions of its own")
    elif model.graph.sparse_initializer:
        reason = Sentence("sparse constants")
    for node in model.graph.node:
        subgraphs = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if subgraphs or node.op_type in ("Loop", "Scan", "If"):
            reason = Sentence("the control flow '{operator}', which may never end", operator=node.op_type)
        elif node.domain not in ("", "ai.onnx"):
            reason = Sentence("the operator '{operator}', which is none of ONNX's own", operator=node.op_type)
        elif node.op_type in RANDOM:
            reason = Sentence("the operator '{operator}', which draws random numbers", operator=node.op_type)
        elif any(a.HasField("sparse_tensor") or a.sparse_tensors or a.type_protos for a in node.attribute):
            reason = Sentence("sparse constants")
        elif any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute):
            reason = Sentence("the operator '{operator}' in training mode", operator=node.op_type)
        if reason:
            break
    if reason is None and any(tensor.data_type not in NUMBERS for tensor in _tensors(model)):
        reason = Sentence("constants that are no numbers of 8 to 64 bits")
    if reason:
        raise AIGCError(
            "'{where}' is not run: it has {reason}. Export the generator in eval mode, as a plain graph from noise to "
            "images.",
            where=where,
            reason=reason,
        )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All constants of a graph without subgraphs."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _count(dims: Collection[int]) -> int:
    return math.prod(dims) if all(size >= 0 for size in dims) else -1


def _item_bytes(tensor: onnx.TensorProto) -> int:
    """Bytes of one number of a type that `_refuse_unknown` lets pass."""
    import onnx

    return onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _bytes_present(tensor: onnx.TensorProto) -> int:
    """How many bytes the data of a constant take, in the form of `raw_data`."""
    import onnx

    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
    return len(getattr(tensor, field)) * _item_bytes(tensor)


def _embed(tensor: onnx.TensorProto, path: Path, beside: Collection[str]) -> None:
    """Put data from a file beside the graph into it. Raises AIGCError for a file that was not found with it."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    named = (PurePosixPath(path.name).parent / location).as_posix()
    if location not in beside or named != location:
        raise AIGCError(
            "'{path}' would read its weights from '{location}', which is no file beside it; nothing was read.",
            path=path,
            location=location,
        )
    size = _count(tensor.dims) * _item_bytes(tensor)
    file = path.parent / location
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except ValueError:
        offset, length = -1, -1
    if length != size or offset < 0 or offset + length > file.stat().st_size:
        raise AIGCError(
            "'{path}': the constant '{name}' does not fit '{location}'; export it again.",
            path=path,
            name=tensor.name,
            location=location,
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
