"""A generator in ONNX as a model, run by onnxruntime on the CPU."""

from __future__ import annotations

import threading
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy
import torch
from pydantic import Field
from torch import Tensor, nn

from aigc_core.batching import samples_that_fit
from aigc_core.config import SETTINGS, parse_config
from aigc_core.errors import AIGCError, Sentence
from aigc_core.families.base import Condition, Model, ModelSpec, SamplerOptions
from aigc_core.modalities.image import ImageModality, image_kind

from .graph import check_graph, inferred_shapes, parse_graph, require_onnx
from .signature import GraphConfig

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_RUN_BYTES = 4 * 2**30
"""The most memory, in bytes, for the arrays of all graphs of this process together."""
MAX_RUN_SECONDS = 600.0
"""The most seconds that one run may take."""
MAX_BATCH = 256
DTYPES = {
    "tensor(float)": numpy.float32,
    "tensor(float16)": numpy.float16,
    "tensor(double)": numpy.float64,
    "tensor(int64)": numpy.int64,
    "tensor(int32)": numpy.int32,
}


class TruncationOptions(SamplerOptions):
    """`truncation`: as the graph understands it."""

    truncation: float = Field(
        default=1.0,
        ge=-2,
        le=2,
        title=Sentence("Truncation"),
        description=Sentence("as the model's author meant it · 1: usually full variety"),
    )


class OnnxModel(Model):
    """An ONNX graph that draws images, on the CPU. It is kept as its bytes and checked when it first runs."""

    single_graph = False  # of PyTorch's operations

    def __init__(self, config: GraphConfig, kind: ImageModality) -> None:
        super().__init__()
        self.config, self.kind = config, kind
        self.graph = nn.Parameter(torch.zeros(config.size, dtype=torch.uint8), requires_grad=False)
        self._session: InferenceSession | None = None

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return self.config.noise_shape

    @property
    def session(self) -> InferenceSession:
        """The graph, ready to run. Raises AIGCError for one that is refused or not valid."""
        if self._session is None:
            self._session = _open(self.graph.detach().cpu().numpy().tobytes())
        return self._session

    def generate(self, noise: Tensor, condition: Condition, options: SamplerOptions) -> Tensor:
        size = self.config.batch or samples_that_fit(3 * 4 * self.config.values, at_most=MAX_BATCH)
        parts = [
            self._draw(noise[start : start + size], condition.classes[start : start + size], options)
            for start in range(0, len(noise), size)
        ]
        return torch.cat(parts).to(noise.device)

    def _draw(self, noise: Tensor, classes: Tensor, options: SamplerOptions) -> Tensor:
        """Samples in model space [n, C, R, R] of one run of the graph."""
        config, count = self.config, len(noise)
        if config.batch > count:  # the graph takes batches of one size
            noise, classes = (torch.cat([part, part[-1:].expand(config.batch - count, *part.shape[1:])]) for part in (
                noise, classes))  # fmt: skip
        given = {config.noise: noise.cpu().numpy()}
        if config.labels:
            given[config.labels] = self._labels(classes.cpu())
        if config.truncation:
            given[config.truncation] = numpy.asarray(
                options.truncation if isinstance(options, TruncationOptions) else 1.0
            )
        images = torch.from_numpy(_run(self.session, given, len(noise), config.images)).float()[:count]
        if config.layout == "NHWC" and images.ndim == 4:
            images = images.permute(0, 3, 1, 2)
        expected = (count, self.kind.channels, self.kind.resolution, self.kind.resolution)
        if tuple(images.shape) != expected:
            raise AIGCError(
                "The model put out arrays {found} where {expected} were announced.",
                found=list(images.shape),
                expected=list(expected),
            )
        if not torch.isfinite(images).all():
            raise AIGCError("The model put out values that are not finite.")
        return (images - config.low) * (2 / (config.high - config.low)) - 1

    def _labels(self, classes: Tensor) -> numpy.ndarray:
        if self.config.label_kind == "weights":
            return classes.numpy()
        numbers = classes.argmax(1)
        if not torch.equal(classes.gather(1, numbers[:, None]), classes.new_ones(len(classes), 1)):
            raise AIGCError("This model takes one class a sample, so classes cannot be mixed.")
        return numbers.numpy()


class TruncatedOnnxModel(OnnxModel):
    """A graph that takes a truncation beside its noise."""

    options_type = TruncationOptions


def build_model(spec: ModelSpec) -> OnnxModel:
    """A model whose graph has not been read yet. Raises AIGCError for settings that do not fit."""
    config = parse_config(GraphConfig, dict(spec.architecture_config), SETTINGS, "architecture_config")
    if bool(config.labels) != bool(spec.num_classes):
        raise AIGCError("Settings: 'architecture_config.labels' is wrong: it does not fit the number of classes.")
    kind = image_kind(spec.modality)
    return TruncatedOnnxModel(config, kind) if config.truncation else OnnxModel(config, kind)


def _open(content: bytes) -> InferenceSession:
    """Check a graph and open a session for it. Raises AIGCError if it is refused."""
    require_onnx()
    import onnxruntime

    where = "model.safetensors"
    graph = parse_graph(content, where)
    check_graph(graph, where)
    inferred_shapes(graph, where)
    _bound_memory()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    try:
        # Constants are folded outside the bounded memory, so they are not.
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
        )
    except _runtime_errors() as error:
        raise _refused(error) from None


def _run(session: InferenceSession, given: dict[str, numpy.ndarray], count: int, output: str) -> numpy.ndarray:
    """Run the graph for one output; inputs are converted to the types and ranks that it declares."""
    import onnxruntime

    feeds = {}
    for asked in session.get_inputs():
        if asked.name not in given or asked.type not in DTYPES:
            raise AIGCError("The model takes an input '{name}' that its config does not know.", name=asked.name)
        values = given[asked.name].astype(DTYPES[asked.type])
        rank = len(asked.shape)
        if values.ndim == 0 and rank:  # a truncation for each sample, or for all
            sizes = [size if isinstance(size, int) else count if place == 0 else 1
                     for place, size in enumerate(asked.shape)]  # fmt: skip
            values = numpy.broadcast_to(values, sizes)
        elif values.ndim == 1 and rank == 2:
            values = values[:, None]
        feeds[asked.name] = numpy.ascontiguousarray(values)
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4

    def stop() -> None:
        options.terminate = True

    timer = threading.Timer(MAX_RUN_SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        return numpy.asarray(session.run([output], feeds, options)[0])
    except _runtime_errors() as error:
        raise _refused(error) from None
    finally:
        timer.cancel()


def _refused(error: Exception) -> AIGCError:
    reason = str(error).replace("[ONNXRuntimeError]", "").strip(" :") or type(error).__name__
    return AIGCError("The model cannot be run by onnxruntime: {reason}", reason=reason[:300])


@cache
def _runtime_errors() -> tuple[type[Exception], ...]:
    """The errors that onnxruntime raises, which have no base class, and those of NumPy for wrong shapes."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")  # which has no types
    found = [getattr(state, name) for name in dir(state)]
    own = [one for one in found if isinstance(one, type) and issubclass(one, Exception)]
    return (*own, ValueError, RuntimeError)


@cache
def _bound_memory() -> Any:
    """Limit the memory for the arrays of all sessions of this process together."""
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": MAX_RUN_BYTES}))
