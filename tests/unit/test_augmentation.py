"""Augmentations: identity, hand-calculated cases, gradients."""

import pytest
import torch

from aigc_core import AIGCError
from aigc_core.families.gan.augmentation import (
    AdaptiveAugmentation,
    AdaptiveAugmentationConfig,
    _bilinear,
    _shifted,
    build_augmentation,
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
    torch.testing.assert_close(_bilinear(images, grid), reference, atol=1e-5, rtol=1e-5)


def test_shift_by_hand() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    moved = _shifted(image, torch.tensor([1.0]), torch.tensor([-1.0]))
    assert moved.view(3, 3).tolist() == [[0, 0, 0], [1, 2, 0], [4, 5, 0]]


@pytest.mark.parametrize("name", ["diffaugment", "ada"])
def test_first_and_second_derivatives(name: str) -> None:
    augment = build_augmentation(name, {}).double()
    if isinstance(augment, AdaptiveAugmentation):
        augment.p.fill_(1.0)
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, generator(3)).square(), (images,), atol=1e-4)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, generator(3)).square(), (images,), atol=1e-4)


def test_unknown_names_and_settings() -> None:
    with pytest.raises(AIGCError, match="no augmentation 'blur'"):
        build_augmentation("blur", {})
    with pytest.raises(AIGCError, match="unknown key 'speed'; known keys are images_to_one, target"):
        build_augmentation("ada", {"speed": 3})
