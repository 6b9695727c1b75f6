"""Figures against torch-fidelity's own entry point, a closed form, and generators whose figures are known."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal, ttest_ind

from aigc_core import AIGCError
from aigc_core.evaluation.comparison import CONFIDENCE, compare
from aigc_core.evaluation.results import FIGURES, Protocol, Result
from aigc_core.metrics.balance import class_imbalance, class_shares, mode_coverage
from aigc_core.metrics.estimate import Estimate, Sizes
from aigc_core.metrics.extractors import extractor_names, load_extractor
from aigc_core.metrics.feature_likelihood import (
    baseline_losses,
    feature_likelihood_divergence,
    fitted_log_variances,
    losses_of,
)
from aigc_core.metrics.fid import Moments, fid_figures, frechet_distance
from aigc_core.metrics.inception_score import inception_score
from aigc_core.metrics.kid import kernel_distance, pairs_among_real
from aigc_core.metrics.memorisation import memorised_share, resemblance
from aigc_core.metrics.neighbours import neighbourhood_figures, neighbourhoods
from aigc_core.metrics.path_length import EPSILON, path_length
from tests.registered_extractor import register_with_torch_fidelity
from tests.toy_results import ranks

ROOT = Path(__file__).parents[2]


def normal(count: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) * scale + mean


def test_fid_is_the_closed_form() -> None:
    generated, real = normal(2000, 1, 0.5, 1.5), normal(3000, 2)
    first, second = (numpy.cov(part.double().numpy(), rowvar=False) for part in (generated, real))
    distance = (generated.double().mean(0) - real.double().mean(0)).square().sum().item()
    expected = distance + numpy.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(Moments.of(generated), Moments.of(real)) == pytest.approx(expected, rel=1e-5)


def test_equal_to_torch_fidelity_on_the_same_images(tmp_path: Path) -> None:
    """Our figures of our extractor's features against the library's of the same extractor, registered with it."""
    import torch_fidelity

    extractor = load_extractor("mnist-classifier")
    register_with_torch_fidelity(extractor)

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
        prc_neighborhood=3,
        cuda=False,
        verbose=False,
        cache=False,
        save_cpu_ram=False,
    )
    features, logits = extractor.extract(generated.images[:, :1])
    real_features, _ = extractor.extract(real.images[:, :1])
    neighbours = neighbourhoods(features, real_features, 3, 5)
    ours = {
        "frechet_inception_distance": frechet_distance(Moments.of(features), Moments.of(real_features)),
        "inception_score_mean": inception_score(logits).value,
        "kernel_inception_distance_mean": kernel_distance(features, real_features).value,
        "precision": neighbours.precision,
        "recall": neighbours.recall,
    }
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], rel=1e-6, abs=1e-9), key


@pytest.mark.parametrize(("count", "real_count"), [(1500, 1300), (400, 2000)])
def test_kid_is_torch_fidelitys_to_the_bit(count: int, real_count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the real side's share is known from before; KIDs near zero are made of the last digits."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    monkeypatch.setattr("aigc_core.metrics.kid.SUBSETS", 20)
    features, real = normal(count, 1), normal(real_count, 2)
    options = {"kid_subsets": 20, "kid_subset_size": min(1000, count), "verbose": False}
    theirs = kid_features_to_metric(features, real, **options)
    known = pairs_among_real(real, count)
    for figure in (kernel_distance(features, real), kernel_distance(features, real, known)):
        assert figure.value == theirs["kernel_inception_distance_mean"]


def test_neighbours_in_tiles_are_those_of_torch_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tiles: the same precision and recall as with all distances at once."""
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    generated, real = normal(1500, 1, 0.1), normal(1300, 2)
    expected = calculate_precision_recall_full(generated, real, 3)
    monkeypatch.setattr("aigc_core.metrics.neighbours.LEAST_ROWS", 1)
    for tile_bytes in (1, 100_000, 10**9):
        monkeypatch.setattr("aigc_core.metrics.neighbours.TILE_BYTES", tile_bytes)
        found = neighbourhoods(generated, real, 3, 5)
        assert (found.precision, found.recall) == pytest.approx(expected, rel=1e-6)


def test_neighbours_take_little_memory() -> None:
    """All distances of these at once would take 0.38 GiB a matrix."""
    words = [sys.executable, "-m", "tests.benchmarks.neighbours", "--count", "10000", "--features", "16"]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (growth,) = re.findall(r"([0-9.]+) GiB of it for the search", printed)
    assert float(growth) < 0.15


def test_density_and_coverage_by_their_definition() -> None:
    """Naeem et al. 2020, equations 3 and 4, written out with scipy's distances."""
    generated, real = normal(400, 1, 0.3), normal(300, 2)
    radii = numpy.sort(cdist(real, real), axis=1)[:, 5]
    inside = cdist(real, generated) < radii[:, None]
    found = neighbourhoods(generated, real, 3, 5)
    assert found.density == pytest.approx(inside.sum() / (5 * 400), rel=1e-9)
    assert found.coverage == pytest.approx(inside.any(1).mean(), rel=1e-6)


def test_a_collapsed_generator_is_precise_and_recalls_nothing() -> None:
    found = neighbourhoods(0.01 * normal(1000, 2), normal(2000, 1), 3, 5)
    assert found.precision > 0.95 and found.recall < 0.05 and found.coverage < 0.05


def test_errors_are_the_spread_of_new_samples_and_references() -> None:
    """Every figure's own error against its spread over 20 new draws of both sides."""
    drawn = []
    for seed in range(20):
        features, real = normal(400, seed, 0.2, 1.1), normal(400, 100 + seed)
        shifted = features + torch.tensor([1.0, 0, 0, 0, 0, 0])
        drawn.append(
            {
                **fid_figures(features, real, Moments.of(real), True),
                **neighbourhood_figures(features, real, 3, 5),
                "kid": kernel_distance(features, real),
                "is": inception_score(3 * features),
                "class_imbalance": class_imbalance(shifted, real),
            }
        )
    for name in drawn[0]:
        spread = numpy.std([figures[name].value for figures in drawn], ddof=1)
        claimed = numpy.mean([figures[name].standard_error for figures in drawn])
        assert 0.55 < claimed / spread < 1.8, name


def test_influence_values_of_earlier_versions_are_read() -> None:
    """By the name that they have in results that shipped."""
    for path in (ROOT / "checkpoints" / "cifar10" / "eval").glob("*.json"):
        written = json.loads(path.read_text())["figures"]["fid"]
        assert Estimate(**written).influence_values == tuple(written["influences"]) != ()
    assert "influence_values" in Estimate(value=1, low=0, high=2).model_dump()


def test_influence_values_are_what_a_bootstrap_finds() -> None:
    """FID's cheap error against resampling both sides."""
    features, real = normal(2000, 1, 0.2), normal(2000, 2)
    draw = numpy.random.default_rng(0)
    values = [
        frechet_distance(*(Moments.of(part[draw.integers(2000, size=2000)]) for part in (features, real)))
        for _ in range(200)
    ]
    error = fid_figures(features, real, Moments.of(real), False)["fid"].standard_error
    assert error == pytest.approx(numpy.std(values, ddof=1), rel=0.3)


def test_fid_infinity_takes_the_bias_of_few_samples_away() -> None:
    """Samples and reference of one distribution: FID is biased upwards, and less so the extrapolation."""
    draw = torch.Generator().manual_seed(0)
    samples, real = torch.randn(4000, 64, generator=draw), torch.randn(100_000, 64, generator=draw)
    figures = fid_figures(samples, real, Moments.of(real), True)
    assert abs(figures["fid_infinity"].value) < 0.2 * figures["fid"].value


OF_FEATURES = (
    *("fid", "fid_infinity", "precision", "recall", "density", "coverage"),
    *("kid", "is", "class_imbalance", "mode_coverage"),
)


def figures_of(features: torch.Tensor, real: torch.Tensor, names: Iterable[str]) -> dict[str, Estimate]:
    """What is computed from features, which stand for logits as well; six features, six classes."""
    wanted = set(names)
    figures: dict[str, Estimate] = {}
    if wanted & {"fid", "fid_infinity"}:
        figures |= fid_figures(features, real, Moments.of(real), True)
    if wanted & {"precision", "recall", "density", "coverage"}:
        figures |= neighbourhood_figures(features, real, 3, 5)
    if "kid" in wanted:
        figures["kid"] = kernel_distance(features, real)
    if "is" in wanted:
        figures["is"] = inception_score(3 * features)
    if "class_imbalance" in wanted:
        figures["class_imbalance"] = class_imbalance(features, real)
    if "mode_coverage" in wanted:
        figures["mode_coverage"] = mode_coverage(class_shares(features), class_shares(real))
    return {name: figures[name].within(FIGURES[name].lowest, FIGURES[name].highest) for name in names}


def test_intervals_of_the_fewest_samples_hold_the_value_of_many() -> None:
    """Of each metric at its own minimum, over 30 draws from 10,000 samples; and all are possible values."""
    pool, real = normal(10_000, 1, 0.1, 1.1), normal(1000, 2)
    target = figures_of(pool, real, OF_FEATURES)
    sizes = Sizes(6, 6, len(real))
    draw = torch.Generator().manual_seed(0)
    held: dict[str, list[bool]] = {name: [] for name in target}
    for count in {FIGURES[name].min_samples(sizes) for name in target}:
        measured = [name for name in target if FIGURES[name].min_samples(sizes) == count]
        for _ in range(30):
            figures = figures_of(pool[torch.randperm(len(pool), generator=draw)[:count]], real, measured)
            for name in measured:
                assert FIGURES[name].lowest <= figures[name].low <= figures[name].value <= figures[name].high
                assert figures[name].high <= FIGURES[name].highest
                held[name].append(figures[name].low <= target[name].value <= figures[name].high)
    # Recall and coverage grow with the number of samples also beyond that of real images.
    shares = {name: numpy.mean(found) for name, found in held.items() if name not in ("recall", "coverage")}
    assert min(shares.values()) >= 0.86, shares


def test_a_difference_of_biases_is_no_difference() -> None:
    """Two results that differ by less than few samples bias them differently are not told apart."""
    honest, biased = Estimate.of_error(1.0, 0.01, bias=0.02), Estimate.of_error(1.2, 0.01, bias=0.2)
    pair = [result(1, 1).model_copy(update={"figures": {"fid": figure}}) for figure in (honest, biased)]
    assert compare(*pair).outcome == "tie" and ranks(pair, "fid") == [1, 1]


def test_intervals_of_earlier_versions_keep_to_possible_values() -> None:
    """With the standard error that they were made with."""
    earlier = {"fid_infinity": {"value": 0.5, "low": -1.46, "high": 2.46}}
    values = result(1, 1).model_dump() | {"figures": earlier}
    (figure,) = Result.model_validate(values).figures.values()
    assert (figure.low, figure.high) == (0, 2.46) and figure.standard_error == pytest.approx(1)


def test_copies_of_training_images_are_found_and_new_images_are_not() -> None:
    draw = torch.Generator().manual_seed(0)
    training, held_out, new = (torch.randn(count, 16, generator=draw) for count in (4000, 2000, 2000))
    control = resemblance(held_out, training).scores
    honest = memorised_share(resemblance(new, training).scores, control)
    assert honest.low < 0.01 < honest.high
    copies = torch.cat([new[:1500], training[:500] + 0.01 * torch.randn(500, 16, generator=draw)])
    found = resemblance(copies, training)
    assert memorised_share(found.scores, control).value == pytest.approx(0.25 + 0.0075, abs=0.01)
    assert found.indices[1500:, 0].tolist() == list(range(500))


def test_likelihood_of_a_mixture_is_that_of_scipy() -> None:
    """With given variances; and the effect of each component's weight is the slope of the mean loss."""
    features, centres = normal(7, 1), normal(3, 2)
    variances = torch.tensor([0.5, 1.0, 4.0])
    weights = numpy.full(3, 1 / 3)

    def mean_loss(weights: numpy.ndarray) -> numpy.ndarray:
        densities = [
            multivariate_normal(centre.numpy(), variance.item()).pdf(features.numpy())
            for centre, variance in zip(centres, variances)
        ]
        return -100 / 6 * numpy.log(weights @ densities / weights.sum())

    losses, effects = losses_of(features, centres, variances.log())
    assert losses.numpy() == pytest.approx(mean_loss(weights), rel=1e-5)
    for component, step in enumerate(1e-6 * numpy.eye(3)):
        slope = (mean_loss(weights + step).mean() - mean_loss(weights - step).mean()) / 2e-6
        # A weight of 1/N grows by a share of itself, and the effects are those of a mean of N.
        assert effects[component].item() == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_variances_are_fitted_to_the_training_images() -> None:
    """Components that do not overlap have the variance of the images around them, by hand."""
    draw = torch.Generator().manual_seed(0)
    centres = 30 * torch.eye(3, 6)
    training = torch.cat(
        [centre + scale * torch.randn(400, 6, generator=draw) for centre, scale in zip(centres, (0.5, 1.0, 2.0))]
    )
    found = fitted_log_variances(centres, training)
    expected = [(part - centre).square().mean().log().item() for part, centre in zip(training.split(400), centres)]
    assert found.tolist() == pytest.approx(expected, abs=0.3)
    fitted, best, equal = (
        losses_of(training, centres, torch.as_tensor(part))[0].mean() for part in (found, expected, [0.0, 0.0, 0.0])
    )
    assert best - 1e-3 <= fitted < best + 1 and fitted < equal - 10


def test_a_copier_is_the_least_likely_of_all() -> None:
    """Behind new samples of the data's distribution, which are as good as training images, and behind poor ones."""
    training, held_out, new = normal(800, 1), normal(400, 2), normal(400, 3)
    copies = training[:400] + 1e-3 * normal(400, 4)
    baseline = baseline_losses(training, held_out, 400)
    fresh, shifted, half, copied = (
        feature_likelihood_divergence(samples, training, held_out, baseline)
        for samples in (new, normal(400, 3, 1.0), torch.cat([copies[:200], new[200:]]), copies)
    )
    assert fresh.low - 1 < 0 < fresh.high + 1
    assert fresh.high < min(shifted.low, half.low) and max(shifted.high, half.high) < copied.low
    assert feature_likelihood_divergence(new, training, held_out) == fresh


def test_missing_classes_and_unequal_shares_are_told() -> None:
    real = torch.eye(4).repeat(250, 1)
    samples = torch.eye(4)[torch.tensor([0] * 500 + [1] * 250 + [2] * 250)]
    shares, real_shares = class_shares(samples), class_shares(real)
    assert [share.value for share in shares] == [0.5, 0.25, 0.25, 0]
    assert mode_coverage(shares, real_shares).value == 0.75
    assert class_imbalance(samples, real).value == pytest.approx(0.25)


def test_wilson_interval_by_hand() -> None:
    figure = Estimate.of_share(0.5, 100)
    assert (figure.low, figure.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    # Of 100 of 100: z² / (n + z²) below 1, and a standard error to match, also where a file of before says 0.
    sure = Estimate.of_share(1.0, 100)
    assert (sure.low, sure.high) == (pytest.approx(1 - 1.96**2 / (100 + 1.96**2)), 1)
    assert sure.standard_error == pytest.approx((1 - sure.low) / (2 * 1.96))
    assert Estimate.model_validate(sure.model_dump() | {"standard_error": 0.0}) == sure


def test_two_shares_of_all_cases_could_still_differ() -> None:
    shares = [result(1, 0).model_copy(update={"figures": {"poem_form": Estimate.of_share(1.0, n)}}) for n in (60, 500)]
    verdict = compare(*shares, figure="poem_form")
    assert verdict.outcome == "tie" and verdict.detectable > 0.05


def test_a_result_beside_itself_is_the_same() -> None:
    groups = Estimate.of_groups(2.0, numpy.arange(50.0))
    one = result(1, 0).model_copy(update={"figures": {"fid": groups}})
    verdict = compare(one, one)
    assert verdict.outcome == "tie" and "have the very same FID: 2.0" in verdict.sentence("a", "b")


def result(fid: float, error: float, num_samples: int = 1000) -> Result:
    protocol = Protocol(
        dataset="mnist",
        dataset_hash="0",
        num_reference=1000,
        resolution=28,
        channels=1,
        extractor="mnist-classifier",
        extractor_hash="0",
        num_samples=num_samples,
    )
    return Result(protocol=protocol, figures={"fid": Estimate.of_error(fid, error)})


def test_what_two_results_share_does_not_blur_their_difference() -> None:
    """The same seeds moved both: a gap far below either interval is real, and not so where seeds moved one alone."""
    moves = numpy.random.default_rng(0).normal(size=50)
    base, near = result(1.0, 0.1), result(1.02, 0.1)
    for other, outcome in ((moves, "better"), (numpy.random.default_rng(1).normal(size=50), "tie")):
        a, b = (Estimate.of_groups(value, part) for value, part in ((1.0, moves), (1.02, other + 1e-3 * moves**2)))
        pair = [part.model_copy(update={"figures": {"fid": figure}}) for part, figure in ((base, a), (near, b))]
        verdict = compare(*pair)
        assert verdict.outcome == outcome
    assert verdict.detectable > 0.02


def test_groups_of_training_seeds_are_compared_by_welch() -> None:
    first, second = [1.0, 1.1, 0.9], [1.5, 1.6, 1.4, 1.45]
    verdict = compare([result(value, 0.01) for value in first], [result(value, 0.01) for value in second])
    p_value = ttest_ind(first, second, equal_var=False).pvalue
    assert verdict.outcome == "better" and verdict.confidence == pytest.approx(1 - p_value / 2)
    assert compare([result(1.0, 0.01), result(2.0, 0.01)], [result(1.2, 0.01), result(2.2, 0.01)]).outcome == "tie"
    with pytest.raises(AIGCError, match="another group"):
        compare(result(1.0, 0.1), [result(1.0, 0.1), result(1.1, 0.1)])


def test_path_length_is_torch_fidelitys_for_the_same_steps() -> None:
    """The library's own loop, with a linear generator and squared feature distance for similarity."""
    import torch_fidelity
    from torch_fidelity.generative_model_base import GenerativeModelBase
    from torch_fidelity.sample_similarity_base import SampleSimilarityBase

    weight = torch.randn(4, 3 * 8 * 8, generator=torch.Generator().manual_seed(0))
    latents: list[torch.Tensor] = []

    class Linear(GenerativeModelBase):
        z_size, z_type, num_classes = 4, "normal", 0

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            latents.append(z.float())
            return (z.float() @ weight).view(-1, 3, 8, 8)

    class Squared(SampleSimilarityBase):
        def __init__(self, name: str, **options: object) -> None:
            super().__init__(name)

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return (first - second).flatten(1).square().sum(1)

    torch_fidelity.register_sample_similarity("squared", Squared)
    # Its way of discarding asks numpy for an argument that new versions do not have, so that is done by hand.
    lengths = torch_fidelity.calculate_metrics(
        input1=Linear(),
        input1_model_num_samples=300,
        batch_size=300,
        cuda=False,
        verbose=False,
        ppl=True,
        ppl_epsilon=EPSILON,
        ppl_sample_similarity="squared",
        ppl_reduction="none",
        ppl_discard_percentile_lower=None,
        ppl_discard_percentile_higher=None,
    )["perceptual_path_length_raw"]
    low, high = numpy.percentile(lengths, 1, method="lower"), numpy.percentile(lengths, 99, method="higher")
    expected = lengths[(low <= lengths) & (lengths <= high)].mean()
    starts, ends = (latents[0] @ weight).chunk(2)
    assert path_length(starts, ends).value == pytest.approx(expected, rel=1e-5)


def test_the_error_of_a_path_length_is_its_spread() -> None:
    """Over many draws of steps whose squared lengths have a long tail."""
    draw = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(300):
        ends = torch.randn(500, 1, generator=draw).mul(0.7).exp() * torch.ones(1, 4) * EPSILON
        drawn.append(path_length(torch.zeros(500, 4), ends))
    spread = numpy.std([figure.value for figure in drawn], ddof=1)
    assert numpy.mean([figure.standard_error for figure in drawn]) == pytest.approx(spread, rel=0.12)


def test_verdicts_and_ranks() -> None:
    best, close, worst = result(1.0, 0.1), result(1.1, 0.1), result(2.0, 0.1)
    assert compare(best, worst).outcome == "better" and compare(worst, best).outcome == "worse"
    assert compare(best, close).outcome == "tie" and compare(best, close).confidence < 0.9
    assert ranks([worst, close, best], "fid") == [3, 1, 1]
    with pytest.raises(AIGCError, match="different protocols"):
        compare(best, result(1.0, 0.1, 2000))


def test_ranks_are_those_of_all_comparisons_in_pairs() -> None:
    """With influences that are partly shared, of unlike number, constant, or missing."""
    draw = numpy.random.default_rng(0)
    shared = draw.normal(size=50)
    results = [result(1.0, 0.05), result(1.0, 0.05), result(1.2, 0.05)]
    for number in range(30):
        influences = draw.uniform() * shared + 0.3 * draw.normal(size=50)
        figure = Estimate.of_groups(1 + number / 60, influences[: 50 if number % 7 else 20], 1e-4)
        results.append(results[0].model_copy(update={"figures": {"fid": figure}}))
    results.append(results[0].model_copy(update={"figures": {"fid": Estimate.of_groups(1.1, numpy.zeros(50))}}))
    pairs = {pair: compare(*(results[index] for index in pair)) for pair in combinations(range(len(results)), 2)}
    p_values = {pair: 2 * (1 - verdict.confidence) for pair, verdict in pairs.items()}
    expected = [1] * len(results)
    for place, (pair, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value > (1 - CONFIDENCE) / (len(pairs) - place):  # Holm's bound
            break
        expected[pair[pairs[pair].outcome == "better"]] += 1
    assert ranks(results, "fid") == expected
    assert 1 < len(set(ranks(results, "fid"))) < len(results)


@pytest.mark.parametrize("name", [name for name in extractor_names() if name.endswith("-classifier")])
def test_extractors_do_not_depend_on_the_batch(name: str) -> None:
    images = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    extractor = load_extractor(name)
    torch.testing.assert_close(
        extractor.extract(images)[0][2:3], extractor.extract(images[2:3])[0], atol=1e-4, rtol=1e-4
    )
