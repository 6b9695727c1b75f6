"""Which samples stand out: by plain NumPy and one image at a time, and in the order that Compare shows them."""

import re
from pathlib import Path

import numpy
import pytest
import torch
from scipy.special import softmax
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from aigc_core import AIGCError
from aigc_core.evaluation.extremes import class_judge, confidences, distances, in_order
from aigc_core.evaluation.results import read_results, write_result
from aigc_core.metrics.extractors import Extractor, load_extractor
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling.request import SampleRequest
from aigc_core.sampling.sample import sample
from tests.dashboard_pages import open_dashboard
from tests.processes import ROOT
from tests.toy_models import sounds_checkpoint, toy_checkpoint
from tests.toy_results import toy_result

REQUEST = SampleRequest(seed=5, count=8)


class Halves(nn.Module):
    """The mean grey of the upper and of the lower half, as features and as logits of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]), requires_grad=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.stack([part.float().mean((1, 2, 3)) for part in images.chunk(2, dim=2)], dim=1)
        return features, features @ self.weight / 10


JUDGE = Extractor("halves", "0", Halves(), 1, "toy")


def other_checkpoint() -> Checkpoint:
    """The toy checkpoint with other weights."""
    other = toy_checkpoint()
    draw = torch.Generator().manual_seed(1)
    for parameter in other.model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=draw)
    return other


def images_of(checkpoint: Checkpoint, request: SampleRequest) -> numpy.ndarray:
    return sample(checkpoint, request).images.numpy().astype(float)


def test_distances_are_those_of_the_features_and_without_a_judge_of_the_pixels() -> None:
    first, second = toy_checkpoint(), other_checkpoint()
    ours, theirs = (images_of(checkpoint, REQUEST) for checkpoint in (first, second))
    pixels = [float(((a - b) ** 2).mean() ** 0.5) for a, b in zip(ours, theirs)]
    assert distances(first, second, REQUEST, None) == pytest.approx(pixels) and len(set(pixels)) == 8
    halves = [[(one[:, :14].mean(), one[:, 14:].mean()) for one in images] for images in (ours, theirs)]
    apart = [float(numpy.hypot(a[0] - b[0], a[1] - b[1])) for a, b in zip(*halves)]
    assert distances(first, second, REQUEST, JUDGE) == pytest.approx(apart, rel=1e-4)
    with pytest.raises(AIGCError, match="1 × 28 × 28 and of 3 × 32 × 32"):
        distances(first, toy_checkpoint("resnet"), REQUEST, None)


def test_confidence_is_the_probability_of_the_class_that_was_asked_for() -> None:
    checkpoint, request = toy_checkpoint(), REQUEST.model_copy(update={"labels": "Bag"})
    halves = [(one[:, :14].mean(), one[:, 14:].mean()) for one in images_of(checkpoint, request)]
    logits = numpy.array(halves) @ numpy.array([[1, -1, 0], [0, 1, -1]]) / 10
    assert confidences(checkpoint, request, 1, JUDGE) == pytest.approx(softmax(logits, axis=1)[:, 1], rel=1e-4)
    with pytest.raises(AIGCError, match="'mnist-classifier' knows other classes"):
        confidences(checkpoint, request, 1, load_extractor("mnist-classifier"))


def test_equal_values_stay_in_their_order() -> None:
    assert in_order([1.0, 3.0, 1.0, 3.0, 2.0]) == [1, 3, 4, 0, 2]


def test_a_second_judge_of_the_data_orders_a_class_and_a_stranger_does_not() -> None:
    mnist = Checkpoint.from_pretrained(ROOT / "checkpoints" / "mnist")
    judges = {
        result.protocol.extractor: class_judge(mnist.config, result.protocol)
        for result in read_results(ROOT / "checkpoints" / "mnist")
    }
    assert {name: judge and judge.name for name, judge in judges.items()} == {name: name for name in judges}
    assert len(judges) == 2
    stranger = class_judge(mnist.config, toy_result(1.0).protocol)
    assert stranger and stranger.name == "mnist-classifier"
    assert class_judge(toy_checkpoint().config, toy_result(1.0).protocol) is None


def shown_seeds(page: AppTest) -> list[list[int]]:
    """The seeds that the page lists, in its order."""
    said = [caption.value.replace("\\", "") for caption in page.caption]
    return [[int(seed) for seed in re.findall(r"(\d+) \(", one)] for one in said if one.startswith("Seeds: ")]


def compared(tmp_path: Path, *checkpoints: Checkpoint) -> AppTest:
    """Compare with these checkpoints chosen."""
    folders = [checkpoint.save_pretrained(tmp_path / name) for checkpoint, name in zip(checkpoints, "ab")]
    for folder, fid in zip(folders, (2.0, 3.0)):
        write_result(toy_result(fid), folder)
    page = open_dashboard("compare", add=[str(folder) for folder in folders])
    box = page.selectbox(key="protocol")
    box.set_value(next(option for option in box.options if option.startswith("toy"))).run()
    return page


def opened(page: AppTest, section: str) -> AppTest:
    page.session_state[section] = True
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize("kind", ["images", "sounds"])
def test_compare_shows_the_seeds_that_changed_most(kind: str, tmp_path: Path) -> None:
    if kind == "images":
        pair = toy_checkpoint(), other_checkpoint()
    else:
        torch.manual_seed(0)
        pair = sounds_checkpoint(), sounds_checkpoint()
    page = compared(tmp_path, *pair)
    before = len(page.get("image"))
    assert not shown_seeds(page)
    page = opened(page, "changed")
    apart = numpy.array(distances(*pair, SampleRequest(seed=0, count=64), None))
    assert shown_seeds(page) == [numpy.argsort(-apart, kind="stable")[:12].tolist()]
    assert any("difference of pixels" in caption.value for caption in page.caption)
    assert len(page.get("image")) == before + (2 if kind == "images" else 16)


def test_compare_shows_the_best_and_the_worst_of_a_class() -> None:
    page = open_dashboard("compare")
    box = page.selectbox(key="protocol")
    box.set_value(next(option for option in box.options if option.startswith("mnist"))).run()
    page.multiselect(key="checkpoint").set_value(["mnist", "mnist-mlp"]).run()
    before = len(page.get("image"))
    page = opened(page, "extremes")
    assert page.selectbox(key="of_checkpoint").options == ["mnist"]  # the other one draws no classes
    page.selectbox(key="of_class").set_value(7).run()
    assert not page.exception and len(page.get("image")) == before + 2
    protocol = str(page.selectbox(key="protocol").value)
    results = read_results(ROOT / "checkpoints" / "mnist")
    (judge,) = {one.protocol.extractor for one in results if protocol.endswith(one.protocol.id)}
    assert any(f"`{judge}`" in caption.value for caption in page.caption)
    mnist, network = Checkpoint.from_pretrained(ROOT / "checkpoints" / "mnist"), load_extractor(judge)
    sure = []
    for seed in range(64):
        image = sample(mnist, SampleRequest(seed=seed, labels="7")).images
        sure.append(float(softmax(network.extract(image)[1].double().numpy()[0])[7]))
    best, worst = shown_seeds(page)
    assert [sure[seed] for seed in best] == pytest.approx(sorted(sure, reverse=True)[:12], abs=1e-6)
    assert [sure[seed] for seed in worst] == pytest.approx(sorted(sure)[:12], abs=1e-4)
