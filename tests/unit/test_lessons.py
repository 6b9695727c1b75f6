"""What the lessons of the tab Learn compute and draw."""

from __future__ import annotations

import json

import numpy
import pytest
import torch

from aigc_core.demo.learn import guess_html, tell
from aigc_core.demo.lessons import lessons, lessons_in_order
from aigc_core.demo.lessons.collapse import GAMMA, MODES, MOMENTS, centres, modes_reached, train
from aigc_core.demo.lessons.discriminator import SHOWN, mixed
from aigc_core.demo.lessons.drawing import cloud, intervals
from aigc_core.demo.lessons.fid import NUMBERS, SCALE, SHIFT, TRUTH, measure
from aigc_core.demo.lessons.film import RUN, film, judged, samples_at
from aigc_core.demo.lessons.memorisation import BLUR, HELD_OUT, TRAINING, ring, samples_of
from aigc_core.demo.lessons.memorisation import measure as measure_copying
from aigc_core.demo.lessons.truncation import SAMPLES, TRUNCATIONS, draw, features_and_logits
from aigc_core.demo.lessons.truncation import measure as measure_truncated
from aigc_core.demo.train import HEIGHT, charts_html
from aigc_core.metrics.estimate import Estimate
from aigc_core.metrics.fid import Moments, frechet_distance
from aigc_core.rng import seeded_generator
from aigc_core.sampling.sample import request_codes
from aigc_core.training.timeline import Measurement


def test_lessons_stand_in_order_and_have_what_the_frame_shows() -> None:
    found = lessons_in_order()
    assert [lesson.place for lesson in found] == list(range(1, len(found) + 1))
    for lesson in found:
        assert lesson is lessons[lesson.name]
        answers = lesson.pictures(1) or lesson.choices
        assert len(answers) > 1 and 0 <= lesson.right < len(answers)
        assert 0 <= lesson.first_stop < lesson.stops and bool(lesson.dial) == (lesson.stops > 1)


def test_the_film_is_small_and_complete() -> None:
    previews = film().previews
    assert 10 <= len(previews) <= 20
    assert sum(path.stat().st_size for path in (RUN / "timeline").iterdir()) < 250_000
    assert samples_at(0) == 64 and samples_at(len(previews) - 1) == film().measurements[-1].samples_seen + 50 * 64
    assert [samples_at(k) for k in range(len(previews))] == sorted(samples_at(k) for k in range(len(previews)))
    for moment in range(len(previews)):
        seen = judged(moment)
        assert seen.real.shape == seen.generated.shape == (32, 1, 28, 28) and seen.real.dtype == torch.uint8
        assert len(seen.real_logits) == len(seen.generated_logits) == 32
    first, last = (judged(moment).generated.float().mean() for moment in (0, len(previews) - 1))
    assert abs(first - 127.5) < 5 and last < 60, "the first moment is noise around grey, the last one has black ground"


def test_a_guess_of_pictures_is_counted() -> None:
    lesson, seed = lessons["discriminator"], 7
    generated = {place for place, (is_fake, _) in enumerate(mixed(seed)) if is_fake}
    assert len(generated) == SHOWN and len(set(mixed(seed))) == 2 * SHOWN
    scores = json.loads((RUN / "timeline" / "scores.json").read_text())[film().previews[-1].stem]
    wrong = sum(
        scores["generated"][k] >= 0 if is_fake else scores["real"][k] < 0 for is_fake, k in mixed(seed)
    )  # the discriminator's mistakes
    theirs = 2 * SHOWN - wrong
    ending = f"of the 16 pictures, the discriminator about {theirs}."
    assert lesson.verdict(seed, generated) == f"You are right about 16 {ending}"
    assert lesson.verdict(seed, set(range(16)) - generated) == f"You are right about 0 {ending}"
    assert lesson.verdict(seed, [min(generated)]) == f"You are right about 9 {ending}"
    assert lesson.show(seed, lesson.first_stop).count(" wrong") == wrong


def test_the_true_fid_is_that_of_the_two_distributions() -> None:
    generated = Moments(numpy.array([SHIFT, 0.0]), SCALE**2 * numpy.eye(2))
    assert pytest.approx(0.25 + 0.08) == TRUTH
    assert frechet_distance(generated, Moments(numpy.zeros(2), numpy.eye(2))) == pytest.approx(TRUTH, abs=1e-6)


def test_measurements_come_nearer_to_the_truth_with_more_samples() -> None:
    few, many = (measure(1, count) for count in (NUMBERS[0], NUMBERS[-1]))
    assert numpy.mean([each.value for each in few]) > TRUTH + 0.1
    assert numpy.mean([each.value for each in many]) == pytest.approx(TRUTH, abs=0.03)
    assert max(each.half_width for each in many) < min(each.half_width for each in few)
    for found in (few, many):
        assert sum(each.low <= TRUTH <= each.high for each in found) >= 17
    assert measure(1, 20) == few != measure(2, 20)


def test_intervals_that_miss_the_truth_stand_out() -> None:
    held, missed = Estimate(value=1, low=0.5, high=1.5), Estimate(value=2, low=1.6, high=9)
    drawn = intervals([held, missed, missed], 1.2, 4, "<title>")
    assert drawn.count('class="missed"') == 2 and "&lt;title&gt;" in drawn
    assert 'x1="12.50%" x2="37.50%"' in drawn and 'cx="25.00%"' in drawn
    assert 'x1="40.00%" x2="100.00%"' in drawn, "what lies beyond the axis ends with it"


def test_points_are_drawn_where_they_are() -> None:
    drawn = cloud([("real", torch.tensor([[0.0, 0.0], [2.0, 1.0]]))], 2, "title")
    assert 'class="real" d="M100.0 100.0h0M200.0 50.0h0"' in drawn


def test_a_moment_is_marked_in_charts() -> None:
    measured = [
        Measurement(step=step, samples_seen=100 * step, seconds=step, progress=step / 10, values={"loss": step})
        for step in (0, 10)
    ]
    assert f'<line x1="75.0" x2="75.0" y1="0" y2="{HEIGHT}"/>' in charts_html(measured, 250)
    assert "<line" not in charts_html(measured)


def test_answers_are_escaped_and_the_right_one_is_told() -> None:
    lesson = lessons["fid"]
    before, after = guess_html(lesson, 1), guess_html(lesson, 1, [0], told=True)
    assert before.count('aria-pressed="false"') == 3 and "right" not in before
    assert (
        after.count('aria-pressed="true"') == 1
        and f'data-index="{lesson.right}" aria-pressed="false" class="right"' in after
    )
    assert "That is right." in tell("fid", 1, "2")[2] and "It is another one" in tell("fid", 1, "0")[2]


def test_modes_are_reached_by_a_quarter_of_their_fair_share() -> None:
    middles = centres()
    assert torch.allclose(middles.norm(dim=1), torch.ones(MODES)) and middles[2].tolist() == pytest.approx(
        [0, 1], abs=1e-6
    )
    everywhere = middles.repeat(8, 1)  # 64 samples, of which a mode needs two
    assert modes_reached(everywhere) == MODES
    assert modes_reached(middles[:1].repeat(64, 1)) == 1 and modes_reached(0.5 * everywhere) == 0
    lonely = torch.cat([everywhere[:56], middles[:1].repeat(7, 1), middles[1:2]])
    assert modes_reached(lonely) == MODES
    assert modes_reached(torch.cat([middles[:1].repeat(63, 1), middles[1:2]])) == 1


def test_a_gan_collapses_without_the_penalty_and_not_with_it() -> None:
    without, penalised = ([*train(gamma, 1)] for gamma in (0, GAMMA))
    assert len(without) == len(penalised) == MOMENTS
    assert (
        modes_reached(without[-1]) <= 5 and modes_reached(penalised[-1]) >= 6
    )  # here 2 and 8, elsewhere rounded otherwise
    torch.rand(3)  # a visitor elsewhere draws as well
    (again,) = [*train(GAMMA, 1, steps=5, moments=1)]
    (same,) = [*train(GAMMA, 1, steps=5, moments=1)]
    (other,) = [*train(0, 1, steps=5, moments=1)]
    assert torch.equal(again, same) and not torch.equal(again, other)


def test_a_copier_has_the_better_fid_and_is_found_out() -> None:
    generator = seeded_generator(1)
    training, held_out = ring(TRAINING, generator), ring(HELD_OUT, generator)
    honest, copier = (
        measure_copying(samples_of(share, training, generator), training, held_out) for share in (0.0, 1.0)
    )
    assert copier[0] < honest[0]
    assert honest[1].low < 0.02 and honest[1].value < 0.05 and copier[1].low > 0.5
    half = samples_of(0.5, training, generator)
    nearest_to_half = torch.cdist(half, training).min(1).values
    assert (nearest_to_half[: len(half) // 2] < 6 * BLUR).all() and nearest_to_half[
        len(half) // 2 :
    ].median() > 2 * BLUR


def test_truncation_costs_variety_and_buys_quality() -> None:
    drawn = {truncation: draw(1, truncation) for truncation in TRUNCATIONS}
    assert [len(samples.images) for samples in drawn.values()] == [SAMPLES] * len(TRUNCATIONS)
    codes = {truncation: request_codes(each.checkpoint, each.request)[0] for truncation, each in drawn.items()}
    assert all(torch.allclose(codes[truncation], truncation * codes[1.0]) for truncation in TRUNCATIONS), "same seeds"
    assert drawn[1.0].labels[:20].argmax(1).tolist() == [*range(10)] * 2

    untruncated, _ = features_and_logits(draw(1 + SAMPLES, 1))
    found = [measure_truncated(samples, untruncated) for samples in drawn.values()]
    (quality, variety), (features, logits) = found[1], features_and_logits(drawn[0.7])
    assert quality.value == pytest.approx((logits.argmax(1) == drawn[0.7].labels.argmax(1)).float().mean().item())
    spheres = torch.cdist(features, features).kthvalue(4, dim=1).values  # a sample is its own nearest
    reached = (torch.cdist(untruncated, features) <= spheres).any(1)
    assert variety == pytest.approx(reached.float().mean().item(), abs=2 / SAMPLES)
    qualities, varieties = zip(*found)
    assert qualities[0].high < qualities[-1].low and varieties[0] > 0.8 and varieties[-1] < 0.05
    assert list(varieties) == sorted(varieties, reverse=True)

    *_, last = lessons["truncation"].reveal(1)
    assert last.count("<img") == len(TRUNCATIONS)
    for quality, variety in found:
        assert f"Quality {quality.value:.0%} ({quality.low:.0%} to {quality.high:.0%}), variety {variety:.0%}" in last
