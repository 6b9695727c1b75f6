"""Generators in ONNX: what is read from their graphs, what they draw, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn

from aigc_core import AIGCError, Checkpoint
from aigc_core.families.base import Condition

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))


class Foreign(nn.Module):
    """A generator as others write them; `kind` says what it takes beside z, `last` what its values end in."""

    def __init__(self, kind: str = "plain", last: str = "tanh", noise_shape: tuple[int, ...] = (6,)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.last = kind, last
        self.embedding = nn.Embedding(10, 6)
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 784), nn.Unflatten(1, (1, 28, 28))
        )

    def forward(self, z: Tensor, other: Tensor | None = None) -> Tensor:
        z = z.flatten(1)
        if self.kind == "numbers":
            z = z + self.embedding(other)
        elif self.kind == "weights":
            z = z + other @ self.embedding.weight
        elif self.kind == "truncation":
            z = z * other
        images = self.net(z)
        if self.last == "tanh":
            return torch.tanh(images)
        if self.last == "bytes":
            return (torch.tanh(images) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        if self.last == "unit":
            return (torch.tanh(images) + 1) / 2
        if self.last == "channels last":
            return torch.sigmoid(images).permute(0, 2, 3, 1)
        return images


OTHERS = {
    "plain": (),
    "numbers": (torch.tensor([1, 2]),),
    "weights": (torch.eye(10)[:2],),
    "truncation": (torch.tensor(0.5),),
}
NAMES = {"plain": [], "numbers": ["labels"], "weights": ["labels"], "truncation": ["psi"]}


def export(path: Path, model: nn.Module, kind: str = "plain", fixed: bool = False, dynamo: bool = True) -> Path:
    """A file as PyTorch's exporter writes it, with a batch of any size unless it is fixed at two."""
    noise = torch.zeros(2, 6, 1, 1) if "spatial" in path.name else torch.zeros(2, 6)
    inputs, names = (noise, *OTHERS[kind]), ["z", *NAMES[kind]]
    batched = [name for name in names if name != "psi"]
    if dynamo:
        dims = (
            {}
            if fixed
            else {
                "dynamic_shapes": tuple(
                    {0: torch.export.Dim("n", max=4096)} if name != "psi" else None for name in names
                )
            }
        )
        torch.onnx.export(model.eval(), inputs, path, input_names=names, dynamo=True, verbose=False, **dims)
    else:
        axes = {} if fixed else {"dynamic_axes": {name: {0: "n"} for name in batched}}
        torch.onnx.export(model.eval(), inputs, path, input_names=names, dynamo=False, **axes)
    return path


def drawn_by(checkpoint: Checkpoint, noise: Tensor, classes: Tensor, **options: float) -> Tensor:
    model = checkpoint.model
    return model.generate(noise, Condition(classes), model.options_type(**options))


def test_where_the_cache_cannot_be_written_a_model_opens_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "file" / "cache"))
    path = export(tmp_path / "theirs.onnx", Foreign("plain"))
    with pytest.warns(UserWarning, match="is not kept for the next time"):
        first = Checkpoint.from_pretrained(path)
    assert Checkpoint.from_pretrained(path).path == first.path  # converted once


@pytest.mark.parametrize("kind", OTHERS)
def test_a_generator_draws_what_pytorch_draws(tmp_path: Path, kind: str) -> None:
    foreign = Foreign(kind)
    checkpoint = Checkpoint.from_pretrained(export(tmp_path / "theirs.onnx", foreign, kind))
    assert checkpoint.config.num_classes == (10 if kind in ("numbers", "weights") else 0)
    assert checkpoint.model.noise_shape == (6,)
    noise, classes = torch.randn(5, 6), torch.eye(10)[:5, : checkpoint.config.num_classes]
    given = {"numbers": (torch.arange(5),), "weights": (torch.eye(10)[:5],), "truncation": (torch.tensor(0.25),)}
    expected = foreign(noise, *given.get(kind, ())).detach()
    options = {"truncation": 0.25} if kind == "truncation" else {}
    torch.testing.assert_close(drawn_by(checkpoint, noise, classes, **options), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("last", "low", "high", "dynamo"),
    [
        ("tanh", -1, 1, False),
        ("unit", 0, 1, False),
        ("unit", 0, 1, True),
        ("channels last", 0, 1, False),
        ("bytes", 0, 255, False),
        ("bytes", 0, 255, True),
    ],
)
def test_range_and_layout_are_read_from_the_graph(
    tmp_path: Path, last: str, low: float, high: float, dynamo: bool
) -> None:
    foreign = Foreign(last=last)
    checkpoint = Checkpoint.from_pretrained(export(tmp_path / "theirs.onnx", foreign, dynamo=dynamo))
    noise = torch.randn(3, 6)
    images = foreign(noise).detach().float()
    expected = (images.permute(0, 3, 1, 2) if last == "channels last" else images) * 2 / (high - low)
    expected = expected - (0 if low else 1)
    torch.testing.assert_close(
        drawn_by(checkpoint, noise, torch.zeros(3, 0)), expected, atol=1e-2 if last == "bytes" else 1e-5, rtol=0
    )


def test_a_fixed_batch_and_noise_with_a_place_are_served(tmp_path: Path) -> None:
    foreign = Foreign()
    checkpoint = Checkpoint.from_pretrained(export(tmp_path / "spatial.onnx", foreign, fixed=True))
    assert checkpoint.model.noise_shape == (6, 1, 1)
    noise = torch.randn(5, 6, 1, 1)
    torch.testing.assert_close(
        drawn_by(checkpoint, noise, torch.zeros(5, 0)), foreign(noise).detach(), atol=1e-5, rtol=0
    )


def test_what_is_unclear_is_asked_for_and_can_be_stated(tmp_path: Path) -> None:
    path = export(tmp_path / "theirs.onnx", Foreign(last="none"))
    with pytest.raises(AIGCError, match=r"does not say from what to what .* --state value_range=-1,1"):
        Checkpoint.from_pretrained(path)
    checkpoint = Checkpoint.from_pretrained(path, stated={"value_range": "-4,4", "dataset": "mnist"})
    noise = torch.randn(2, 6)
    expected = Foreign(last="none")(noise).detach() / 4
    torch.testing.assert_close(drawn_by(checkpoint, noise, torch.zeros(2, 0)), expected, atol=1e-5, rtol=0)
    assert checkpoint.config.dataset == "mnist"
    with pytest.raises(AIGCError, match="unknown key 'range'"):
        Checkpoint.from_pretrained(path, stated={"range": "0,1"})


def test_weights_beside_the_file_are_read_and_others_are_not(tmp_path: Path) -> None:
    model = onnx.load(export(tmp_path / "whole.onnx", Foreign()))
    (tmp_path / "apart").mkdir()
    apart = tmp_path / "apart" / "theirs.onnx"
    onnx.save(model, apart, save_as_external_data=True, location="theirs.onnx.data", size_threshold=0)
    noise, classes = torch.randn(2, 6), torch.zeros(2, 0)
    whole, split = (Checkpoint.from_pretrained(path) for path in (tmp_path / "whole.onnx", tmp_path / "apart"))
    assert torch.equal(drawn_by(whole, noise, classes), drawn_by(split, noise, classes))


# What is refused. Each of these is a graph that any runtime would take.


def graph(nodes: list, constants: list = (), inputs: list | None = None, outputs: list | None = None):
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 784])
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 28, 28])
    shape = numpy_helper.from_array(numpy.array([-1, 1, 28, 28]), "shape")
    last = [helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Reshape", ["t", "shape"], ["images"])]
    made = helper.make_graph([*nodes, *last], "g", inputs or [z], outputs or [images], [shape, *constants])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def external(location: str, count: int = 784) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[count], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": str(4 * count)}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def endless() -> list:
    """A loop whose condition stays true for 2⁶³ - 1 turns."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["more"], ["still"]), helper.make_node("Identity", ["at"], ["next"])],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("more", TensorProto.BOOL, []),
            value("at", TensorProto.FLOAT, None),
        ],
        [value("still", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
    )
    return [helper.make_node("Loop", ["turns", "yes", "z"], ["x"], body=body)]


HOSTILE: dict[str, tuple[Callable[[], object], str]] = {
    "a path out of the folder": (
        lambda: graph([helper.make_node("Add", ["z", "w"], ["x"])], [external("../secret.data")]),
        "would read its weights from '../secret.data', which is no file beside it; nothing was read",
    ),
    "an absolute path": (
        lambda: graph([helper.make_node("Add", ["z", "w"], ["x"])], [external("/etc/passwd")]),
        "would read its weights from '/etc/passwd'",
    ),
    "a link out of the folder": (
        lambda: graph([helper.make_node("Add", ["z", "w"], ["x"])], [external("theirs.onnx.data")]),
        "would read its weights from 'theirs.onnx.data', which is no file beside it",
    ),
    "a path in a constant's node": (
        lambda: graph(
            [
                helper.make_node("Constant", [], ["w"], value=external("../secret.data")),
                helper.make_node("Add", ["z", "w"], ["x"]),
            ]
        ),
        "would read its weights from '../secret.data'",
    ),
    "a constant that is announced and not there": (
        lambda: graph(
            [helper.make_node("Gather", ["w", "zero"], ["y"]), helper.make_node("Add", ["z", "y"], ["x"])],
            [
                TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[10**9]),
                numpy_helper.from_array(numpy.array(0), "zero"),
            ],
        ),
        "says that it has 4,000,000,000 bytes and has 0",
    ),
    "a constant that is made": (
        lambda: graph(
            [
                helper.make_node("ConstantOfShape", ["size"], ["big"]),
                helper.make_node("ReduceSum", ["big"], ["y"], keepdims=0),
                helper.make_node("Add", ["z", "y"], ["x"]),
            ],
            [numpy_helper.from_array(numpy.array([10**9]), "size")],
        ),
        "'big' would have 1,000,000,000 numbers",
    ),
    "an endless loop": (
        lambda: graph(
            endless(),
            [
                numpy_helper.from_array(numpy.array(2**63 - 1), "turns"),
                numpy_helper.from_array(numpy.array(True), "yes"),
            ],
        ),
        "control flow 'Loop', which may never end",
    ),
    "an operator from elsewhere": (
        lambda: graph([helper.make_node("Run", ["z"], ["x"], domain="evil")]),
        "'Run', which is none of ONNX's own",
    ),
    "random numbers": (
        lambda: graph([helper.make_node("RandomNormalLike", ["z"], ["x"])]),
        "'RandomNormalLike', which draws random numbers",
    ),
    "samples that depend on each other": (
        lambda: graph(
            [helper.make_node("BatchNormalization", ["z", *"wwww"], ["x", "m", "v"], training_mode=1)],
            [numpy_helper.from_array(numpy.ones(784, dtype=numpy.float32), "w")],
        ),
        "in training mode",
    ),
    "a cycle": (
        lambda: graph([helper.make_node("Add", ["z", "y"], ["x"]), helper.make_node("Neg", ["x"], ["y"])]),
        "no valid ONNX graph",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_graph_runs_nothing_and_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, sentence = HOSTILE[name]
    (tmp_path / "secret.data").write_bytes(bytes(4 * 784))
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "theirs.onnx").write_bytes(make().SerializeToString())
    if "link" in name:
        (folder / "theirs.onnx.data").symlink_to(tmp_path / "secret.data")
    opened = []
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: opened.append("a session"))
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *words, **named: (opened.append(str(self)), real(self, *words, **named))[1]
    )
    for reference in (folder, folder / "theirs.onnx"):
        with pytest.raises(AIGCError) as caught:
            Checkpoint.from_pretrained(reference)
        assert sentence in str(caught.value), str(caught.value)
    assert {Path(path).name for path in opened} <= {"theirs.onnx"}


def test_a_pulled_checkpoint_with_a_hostile_graph_is_refused_when_it_is_to_run(tmp_path: Path) -> None:
    path = export(tmp_path / "theirs.onnx", Foreign())
    checkpoint = Checkpoint.from_pretrained(path)
    make, sentence = HOSTILE["an endless loop"]
    content = make().SerializeToString()
    config = checkpoint.config.architecture_config | {"size": len(content)}
    checkpoint.config = checkpoint.config.model_copy(update={"architecture_config": config})
    checkpoint.model.graph.data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    read = Checkpoint.from_pretrained(checkpoint.save_pretrained(tmp_path / "saved"))
    with pytest.raises(AIGCError, match="control flow 'Loop'"):
        read.sample(seed=1)


def test_memory_is_bounded_where_sizes_depend_on_the_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no reading can foresee: the noise itself says how large an array is to be."""
    nodes = [
        helper.make_node("ReduceMax", ["z"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "giga"], ["many"]),
        helper.make_node("Cast", ["many"], ["count"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["count", "one"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["y"], keepdims=0),
        helper.make_node("Add", ["z", "y"], ["x"]),
    ]
    constants = [
        numpy_helper.from_array(numpy.array(1e10, numpy.float32), "giga"),
        numpy_helper.from_array(numpy.array([1]), "one"),
    ]
    (tmp_path / "theirs.onnx").write_bytes(graph(nodes, constants).SerializeToString())
    with pytest.raises(AIGCError, match="cannot be run by onnxruntime: .*memory"):
        Checkpoint.from_pretrained(tmp_path / "theirs.onnx").sample(seed=1)


@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n", b"<html>", bytes(1000)])
def test_what_is_no_graph_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "theirs.onnx").write_bytes(content)
    with pytest.raises(AIGCError, match="damaged or no ONNX file"):
        Checkpoint.from_pretrained(tmp_path / "theirs.onnx")
