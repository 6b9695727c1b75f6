"""What is measured of samples, against shapes and waves whose measures are known."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from aigc_core.modalities.attributes import ATTRIBUTES, picture_attributes, sound_attributes


def test_a_bar_has_the_width_and_height_of_a_uniform_distribution() -> None:
    picture = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    picture[0, :, 8:20, 10:16] = 200
    picture[1] = 255  # the same on white
    picture[1, :, 8:20, 10:16] = 55
    found = picture_attributes(picture)
    assert found["width"].tolist() == pytest.approx([math.sqrt((6**2 - 1) / 12)] * 2)
    assert found["height"].tolist() == pytest.approx([math.sqrt((12**2 - 1) / 12)] * 2)
    assert found["slant"].tolist() == pytest.approx([0, 0], abs=1e-9)
    assert found["brightness"][0] == pytest.approx(200 * 6 * 12 / 32**2)
    assert found["contrast"].tolist() == pytest.approx([float(numpy.std(each[0].numpy(), ddof=1)) for each in picture])
    assert "saturation" not in found


def test_a_figure_that_leans_to_the_right_has_a_positive_slant() -> None:
    picture = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    for up in range(-8, 8):
        picture[0, 0, 16 - up, 16 + up] = 255
        picture[1, 0, 16 - up, 16 - up // 2] = 255
    slant = picture_attributes(picture)["slant"]
    assert slant[0] == pytest.approx(1) and slant[1] == pytest.approx(-0.5, abs=0.03)


def test_colours_are_warm_and_strong_and_no_ground_has_no_figure() -> None:
    picture = torch.tensor([[255, 128, 0], [0, 128, 255], [90, 90, 90]], dtype=torch.uint8)[:, :, None, None]
    found = picture_attributes(picture.expand(-1, -1, 16, 16))
    assert found["warmth"].tolist() == [255, -255, 0] and found["saturation"].tolist() == [255, 255, 0]
    noise = torch.randint(256, (1, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    found = picture_attributes(noise)
    assert found["width"].isnan().all() and found["brightness"].isfinite().all()


def test_a_tone_has_the_loudness_pitch_and_duration_that_it_was_given() -> None:
    time = torch.arange(16_000) / 16_000
    tone = 0.5 * torch.sin(2 * math.pi * 440 * time)
    high = 0.05 * torch.sin(2 * math.pi * 3000 * time) * (time < 0.25)
    found = sound_attributes(torch.stack([tone, high, torch.zeros(16_000)]), 16_000)
    assert found["loudness"].tolist() == pytest.approx([-9.03, -35.05, -80], abs=0.01)
    assert found["centroid"][:2].tolist() == pytest.approx([440, 3000], rel=0.03)
    assert found["duration"][:2].tolist() == pytest.approx([0.95, 0.95 * 0.25], abs=0.002)
    assert all(value.isfinite().all() for value in found.values())


def test_everything_measured_has_words() -> None:
    pictures = picture_attributes(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    assert {*pictures, *sound_attributes(torch.zeros(1, 8), 8)} == set(ATTRIBUTES)
