"""Augmentations: identity, hand-calculated cases, gradients."""

import math

import pytest
import torch
from torch import Tensor

from aigc_core import AIGCError
from aigc_core.families.base import StepState
from aigc_core.families.gan.augmentation import Augmentation, build_augmentation
from aigc_core.families.gan.augmentation.ada import AdaptiveAugmentation, AdaptiveAugmentationConfig
from aigc_core.families.gan.augmentation.diffaugment import _shifted
from aigc_core.families.gan.augmentation.interpolation import interpolate_in_black, interpolate_mirrored
from aigc_core.families.gan.augmentation.pipeline import (
    SYM6,
    Pipeline,
    PipelineConfig,
    Randomness,
    colour_matrices,
    geometric_matrices,
    recolour,
    rotation,
    scaling,
    translation,
    uncovered,
    warp,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_ada_at_zero_is_the_identity(channels: int) -> None:
    images = torch.rand(4, channels, 28, 28) * 2 - 1
    torch.testing.assert_close(build_augmentation("ada", {})(images, generator()), images, atol=1e-5, rtol=0)


def test_ada_at_one_changes_images_and_is_reproducible() -> None:
    images, ada = torch.rand(4, 3, 32, 32) * 2 - 1, AdaptiveAugmentation(AdaptiveAugmentationConfig())
    ada.p.fill_(1.0)
    first = ada(images, generator(1))
    assert (first - images).abs().mean() > 0.1
    assert torch.equal(first, ada(images, generator(1)))
    assert not torch.equal(first, ada(images, generator(2)))


def test_ada_follows_overfitting() -> None:
    ada = AdaptiveAugmentation(AdaptiveAugmentationConfig(target=0.6, images_to_one=100))
    ada.update(torch.ones(10))
    assert ada.p.item() == pytest.approx(0.1)
    ada.update(-torch.ones(5))
    assert ada.p.item() == pytest.approx(0.05)


def test_bilinear_equals_grid_sample() -> None:
    images, grid = torch.randn(2, 3, 8, 8), torch.rand(2, 8, 8, 2) * 4 - 2
    reference = torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(interpolate_mirrored(images, grid), reference, atol=1e-5, rtol=1e-5)
    reference = torch.nn.functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    x, y = (((grid + 1) * 8 - 1) / 2).unbind(3)
    torch.testing.assert_close(interpolate_in_black(images, x, y), reference, atol=1e-5, rtol=1e-5)


def test_shift_by_hand() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    moved = _shifted(image, torch.tensor([1.0]), torch.tensor([-1.0]))
    assert moved.view(3, 3).tolist() == [[0, 0, 0], [1, 2, 0], [4, 5, 0]]


@pytest.mark.parametrize("name", ["diffaugment", "ada", "pipeline"])
def test_first_and_second_derivatives(name: str) -> None:
    augment = build_augmentation(name, {}).double()
    if isinstance(augment, AdaptiveAugmentation):
        augment.p.fill_(1.0)
    if isinstance(augment, Pipeline):
        augment.strength = 1.0
    count, side = (1, 4) if name == "pipeline" else (2, 8)  # which doubles the resolution, and takes longest
    images = torch.rand(count, 3, side, side, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, generator(3)).square(), (images,), atol=1e-4)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, generator(3)).square(), (images,), atol=1e-4)


def test_unknown_names_and_settings() -> None:
    with pytest.raises(AIGCError, match="no augmentation 'blur'"):
        build_augmentation("blur", {})
    with pytest.raises(
        AIGCError, match="unknown key 'method_config.augmentation_config.speed'; known keys are images_to_one, target"
    ):
        build_augmentation("ada", {"speed": 3})


class Scripted(Randomness):
    """One image that chooses every transformation; what is drawn is said by number, and is neutral otherwise."""

    def __init__(self, **draws: float) -> None:
        self.count, self.strength, self.drawn, self.draws = 1, 1.0, 0, draws

    def uniform(self, *shape: int) -> Tensor:
        return self.next(0.5, *shape)

    def normal(self, *shape: int) -> Tensor:
        return self.next(0.0, *shape)

    def next(self, neutral: float, *shape: int) -> Tensor:
        self.drawn += 1
        return torch.full((1, *shape), self.draws.get(f"draw{self.drawn}", neutral))

    def choose(self, values: Tensor, probability: float, neutral: float) -> Tensor:
        return values


STILL = {"draw1": 0.0, "draw2": 0.0}
"""Draws 1 and 2 choose the flip and the quarter turns, and the middle of [0, 1) is none of no flip and no turn."""


@pytest.mark.parametrize(
    ("draws", "point", "seen"),
    [
        ({}, (3, 5), (3, 5)),
        ({"draw1": 0.9}, (3, 5), (-3, 5)),  # mirrored
        ({"draw2": 0.25}, (1, 0), (0, 1)),  # a quarter turn
        ({"draw2": 0.75}, (1, 0), (0, -1)),  # three
        ({"draw3": 1.0}, (0, 0), (-4, -2)),  # by an eighth of 32 × 16 pixels
        ({"draw3": 0.6}, (0, 0), (-1, 0)),  # by whole pixels: 0.8 and 0.4
        ({"draw4": 5.0}, (2, 4), (1, 2)),  # 2^(0.2 · 5) times as large
        ({"draw5": 0.75}, (1, 0), (0, 1)),  # turned before the stretch
        ({"draw6": 5.0}, (2, 1), (1, 2)),  # twice as wide, half as high
        ({"draw7": 0.25}, (1, 0), (0, -1)),  # turned after it
        ({"draw5": 0.75, "draw6": 5.0}, (2, 1), (-2, 1)),
        ({"draw6": 5.0, "draw7": 0.75}, (2, 1), (-0.5, 4)),
        ({"draw8": 0.5}, (0, 0), (-2, -1)),  # by half of an eighth
    ],
)
def test_where_a_pixel_comes_from_by_hand(
    draws: dict[str, float], point: tuple[float, float], seen: tuple[float, float]
) -> None:
    (matrix,) = geometric_matrices(Scripted(**STILL | draws), 1.0, height=16, width=32)
    torch.testing.assert_close(matrix @ torch.tensor([*point, 1.0]), torch.tensor([*seen, 1.0]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("draws", "colour", "becomes"),
    [
        ({}, (0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
        ({"draw1": 1.5}, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        ({"draw2": 2.0}, (0.1, 0.2, 0.3), (0.2, 0.4, 0.6)),
        ({"draw1": 1.5, "draw2": 2.0}, (0.1, 0.2, 0.3), (0.8, 1.0, 1.2)),
        ({"draw3": 0.9}, (1, 0, 0), (1 / 3, -2 / 3, -2 / 3)),  # the luma becomes its negative
        ({"draw4": 5 / 6}, (1, 0, 0), (0, 1, 0)),  # a third of a turn: from red to green
        ({"draw5": 1.0}, (1, 0, 0), (5 / 3, -1 / 3, -1 / 3)),  # twice as far from its grey
    ],
)
def test_colours_by_hand(draws: dict[str, float], colour: tuple[float, ...], becomes: tuple[float, ...]) -> None:
    matrices = colour_matrices(Scripted(**{"draw3": 0.0} | draws), 1.0, channels=3)
    images = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(-1, -1, 2, 2)
    torch.testing.assert_close(
        recolour(images, matrices)[0, :, 1, 0], torch.tensor(becomes, dtype=torch.float32), rtol=0, atol=1e-6
    )


def test_greys_by_hand() -> None:
    matrices = colour_matrices(Scripted(draw1=1.5, draw2=2.0, draw3=0.9), 1.0, channels=1)
    torch.testing.assert_close(recolour(torch.full((1, 1, 2, 2), 0.1), matrices), torch.full((1, 1, 2, 2), -0.8))


def test_the_filter_is_a_symlet() -> None:
    """Orthonormal to its own even shifts, with six vanishing moments of its high-pass twin (Daubechies 1992)."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    for shift in range(0, 12, 2):
        assert (taps[shift:] @ taps[: 12 - shift]).item() == pytest.approx(float(shift == 0), abs=1e-9)
    signs, positions = (-1.0) ** torch.arange(12), torch.arange(12, dtype=torch.float64) - 5.5
    for moment in range(6):
        assert (signs * positions**moment * taps).sum().item() == pytest.approx(0, abs=1e-5)


def test_warps_that_move_whole_pixels() -> None:
    """Orthonormal filters leave pixels as they are, so shifts are exact; turns with their asymmetry are not."""
    one, zero = torch.ones(1), torch.zeros(1)
    images = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(warp(images, scaling(one, one)), images, rtol=0, atol=1e-5)
    moved = warp(images, translation(-2 * one, one))  # what is seen two pixels to the right lay here; mirrored beyond
    mirrored = torch.nn.functional.pad(images, [2, 0, 0, 1], mode="reflect")[:, :, 1:, :8]
    torch.testing.assert_close(moved, mirrored, rtol=0, atol=1e-5)
    line = torch.linspace(0, 2, 16)
    smooth = (torch.cos(line) * torch.sin(1.5 * line)[:, None] + line / 4)[None, None]
    for matrices, expected in (
        (scaling(-one, one), smooth.flip(3)),
        (scaling(one, -one), smooth.flip(2)),
        (rotation(zero + math.pi / 2), smooth.rot90(1, (2, 3))),
    ):
        torch.testing.assert_close(warp(smooth, matrices), expected, rtol=0, atol=0.05)
        assert (expected - smooth).abs().max() > 0.1


def test_cutout_by_hand() -> None:
    """Half of either side around the centre of a quarter of the width and the middle of the height."""

    class Centred(Scripted):
        def uniform(self, *shape: int) -> Tensor:
            return torch.tensor([[0.25, 0.5]])

    kept = uncovered(Centred(), 1.0, height=4, width=8)
    assert kept[0, 0].int().tolist() == [[1] * 8, [0] * 4 + [1] * 4, [0] * 4 + [1] * 4, [1] * 8]


def test_how_often_images_are_changed() -> None:
    """Each with its probability times the strength; turned before or after the stretch or both, with one alike."""
    count = 40_000
    pipeline = build_augmentation(
        "pipeline",
        {"strength": {"start": 0.0, "end": 0.8, "samples": 100}, "geometry": 0.0, "colour": 0.0, "cutout": 0.5},
    )
    pipeline.follow(StepState(0, 0.0, 50, None))  # type: ignore[arg-type]  # schedules draw nothing
    changed = (pipeline(torch.ones(count, 1, 4, 4), generator()) != 1).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.5 * 0.4, abs=0.01)

    class TurnsAlone(Randomness):
        def normal(self, *shape: int) -> Tensor:
            return torch.zeros(self.count, *shape)

    matrices = geometric_matrices(TurnsAlone(count, 0.3, generator()), 1.0, 1, 1)
    angles = torch.atan2(matrices[:, 1, 0], matrices[:, 1, 1]).div(math.pi / 2)
    turned = (angles - angles.round()).abs() > 1e-4
    assert turned.float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_the_pipeline_at_zero_is_the_identity() -> None:
    images = torch.rand(4, 3, 28, 28) * 2 - 1
    pipeline = Pipeline(PipelineConfig(strength=0, cutout=1))
    torch.testing.assert_close(pipeline(images, generator()), images, atol=1e-5, rtol=0)


def test_no_augmentation_is_the_identity() -> None:
    images = torch.rand(4, 3, 28, 28) * 2 - 1
    assert type(augmentation := build_augmentation("none", {})) is Augmentation
    assert augmentation(images, generator()) is images
