"""Figures against torch-fidelity's own entry point, a closed form, and generators whose figures are known."""

from pathlib import Path

import numpy
import pytest
import torch
from scipy.linalg import sqrtm

from aigc_core import AIGCError
from aigc_core.comparison import compare
from aigc_core.leaderboard import ranks
from aigc_core.metrics.extractors import extractor_names, load_extractor
from aigc_core.metrics.figure import Figure
from aigc_core.metrics.figures import measure
from aigc_core.results import Protocol, Result


def normal(count: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) * scale + mean


def test_fid_is_the_closed_form() -> None:
    generated, real = normal(2000, 1, 0.5, 1.5), normal(3000, 2)
    first, second = (numpy.cov(part.double().numpy(), rowvar=False) for part in (generated, real))
    distance = (generated.double().mean(0) - real.double().mean(0)).square().sum().item()
    expected = distance + numpy.trace(first + second - 2 * sqrtm(first @ second).real)
    assert measure(generated, generated, real, 3)["fid"].value == pytest.approx(expected, rel=1e-5)


def test_equal_to_torch_fidelity_on_the_same_images(tmp_path: Path) -> None:
    """Our figures of our extractor's features against the library's of the same extractor, registered with it."""
    import torch_fidelity
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    extractor = load_extractor("mnist-classifier")

    class Registered(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **options: object) -> None:
            super().__init__(name, features_list)

        def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
            features, logits = extractor.extract(batch[:, :1])
            return tuple({"features": features, "logits": logits}[name] for name in self.features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        @staticmethod
        def get_dummy_input_for_compile() -> torch.Tensor:
            return torch.zeros(1, 3, 28, 28, dtype=torch.uint8)

    torch_fidelity.register_feature_extractor("ours", Registered)

    class Images(torch.utils.data.Dataset):
        def __init__(self, seed: int) -> None:
            draw = torch.Generator().manual_seed(seed)
            coarse = torch.randint(0, 256, (1200, 1, 7, 7), generator=draw, dtype=torch.uint8)
            self.images = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, 3, -1, -1)

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, index: int) -> torch.Tensor:
            return self.images[index]

    generated, real = Images(1), Images(2)
    theirs = torch_fidelity.calculate_metrics(
        input1=generated,
        input2=real,
        feature_extractor="ours",
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=1000,
        cuda=False,
        verbose=False,
        cache=False,
        save_cpu_ram=False,
    )
    features, logits = extractor.extract(generated.images[:, :1])
    ours = measure(features, logits, extractor.extract(real.images[:, :1])[0], 3)
    for name, key in (
        ("fid", "frechet_inception_distance"),
        ("is", "inception_score_mean"),
        ("kid", "kernel_inception_distance_mean"),
        ("precision", "precision"),
        ("recall", "recall"),
    ):
        assert ours[name].value == pytest.approx(theirs[key], rel=1e-6, abs=1e-9), name


def test_a_collapsed_generator_is_precise_and_recalls_nothing() -> None:
    real = normal(2000, 1)
    figures = measure(0.01 * normal(1000, 2), normal(1000, 3), real, 3)
    assert figures["precision"].value > 0.95 and figures["recall"].value < 0.05


def test_too_few_images_are_refused() -> None:
    with pytest.raises(AIGCError, match="1,000 images"):
        measure(normal(999, 1), normal(999, 1), normal(2000, 2), 3)


def test_intervals_of_fid_hold_the_spread_of_new_samples() -> None:
    real = normal(4000, 0)
    figures = [measure(normal(1000, seed, 0.2), normal(1000, seed), real, 3)["fid"] for seed in range(1, 9)]
    spread = numpy.std([figure.value for figure in figures], ddof=1)
    assert 0.4 < numpy.mean([figure.standard_error for figure in figures]) / spread < 2.5


def test_wilson_interval_by_hand() -> None:
    figure = Figure.of_share(0.5, 100)
    assert (figure.low, figure.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def result(fid: float, error: float, num_samples: int = 1000) -> Result:
    protocol = Protocol(
        dataset="mnist", dataset_hash="0", extractor="mnist-classifier", extractor_hash="0", num_samples=num_samples
    )
    return Result(protocol=protocol, figures={"fid": Figure.of_error(fid, error)})


def test_verdicts_and_ranks() -> None:
    best, close, worst = result(1.0, 0.1), result(1.1, 0.1), result(2.0, 0.1)
    assert compare(best, worst).outcome == "better" and compare(worst, best).outcome == "worse"
    assert compare(best, close).outcome == "tie" and compare(best, close).confidence < 0.9
    assert ranks([worst, close, best], "fid") == [3, 1, 1]
    with pytest.raises(AIGCError, match="different protocols"):
        compare(best, result(1.0, 0.1, 2000))


@pytest.mark.parametrize("name", extractor_names())
def test_extractors_do_not_depend_on_the_batch(name: str) -> None:
    images = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    extractor = load_extractor(name)
    torch.testing.assert_close(
        extractor.extract(images)[0][2:3], extractor.extract(images[2:3])[0], atol=1e-4, rtol=1e-4
    )
