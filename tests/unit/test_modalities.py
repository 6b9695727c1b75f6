"""The contract of modalities, as images keep it: to model space and back, shapes, and what they say of themselves."""

from __future__ import annotations

import numpy
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import normalize, to_tensor

from aigc_core import AIGCError
from aigc_core.modalities.base import build_modality
from aigc_core.modalities.image import RESOLUTIONS, ImageModality

ALL_VALUES = torch.arange(256, dtype=torch.uint8)
KIND = ImageModality(channels=3, resolution=32)


def test_every_value_comes_back_exactly() -> None:
    stored = ALL_VALUES.view(1, 1, 16, 16).expand(2, 3, -1, -1).contiguous()
    generated = KIND.to_model(stored)
    assert generated.dtype == torch.float32 and generated.shape == stored.shape
    assert torch.equal(KIND.to_stored(generated), stored)
    assert torch.equal(stored[0, 0].flatten(), ALL_VALUES)  # what was given is as it was
    assert torch.equal(KIND.to_stored(generated.double()), stored)
    assert torch.equal(KIND.to_stored(generated.half()), stored)


def test_model_space_is_that_of_torchvision() -> None:
    """ToTensor and Normalize(0.5, 0.5), by which most generators are trained."""
    picture = Image.fromarray(ALL_VALUES.view(16, 16).numpy())
    theirs = normalize(to_tensor(picture), [0.5], [0.5])
    ours = KIND.to_model(ALL_VALUES.view(1, 1, 16, 16))[0]
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)
    assert ours.min() == -1 and ours.max() == 1


def test_what_lies_outside_is_clipped_and_what_lies_between_is_rounded() -> None:
    generated = torch.tensor([-1e9, -1.5, -1.0, 0.0, 1.0, 1.5, 1e9, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5])
    expected = numpy.rint(numpy.clip((generated.double().numpy() + 1) * 127.5, 0, 255))
    assert KIND.to_stored(generated.view(1, 1, 1, -1)).flatten().tolist() == expected.tolist()


def test_a_mirror_swaps_left_and_right() -> None:
    row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3).expand(1, 1, 2, 3)
    assert KIND.mirrored(row)[0, 0].tolist() == [[3.0, 2.0, 1.0]] * 2


def test_a_shape_that_is_none_is_one_sentence() -> None:
    assert build_modality("image", {"channels": 3, "resolution": 32}) == KIND
    assert all(build_modality("image", {"channels": 1, "resolution": side}) for side in RESOLUTIONS)
    for shape, words in (
        ({"channels": 2, "resolution": 32}, "1 channel"),
        ({"channels": 3, "resolution": 30}, "28, 32, 64"),
        ({"channels": 3}, "'resolution' is missing"),
        ({"channels": 3, "resolution": 32, "depth": 8}, "unknown key 'depth'"),
    ):
        with pytest.raises(AIGCError, match=words):
            build_modality("image", shape)
    with pytest.raises(AIGCError, match=r"no modality 'smell'; there are .*image"):
        build_modality("smell", {})
