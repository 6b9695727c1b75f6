"""A − B + C of latents, against what it must be by hand."""

from __future__ import annotations

import pytest
import torch

from aigc_core import SampleRequest
from aigc_core.families.base import Condition, latent_model
from aigc_core.sampling.arithmetic import difference_added
from aigc_core.sampling.sample import render, request_codes
from tests.toy_models import toy_checkpoint


@pytest.mark.parametrize("architecture", ["dcgan", "toy-style"])
def test_what_is_taken_and_added_again_changes_nothing(architecture: str) -> None:
    checkpoint = toy_checkpoint(architecture)
    model = latent_model(checkpoint.model)
    codes, condition = request_codes(checkpoint, SampleRequest(seed=3, count=2, labels="Bag,Coat"))
    for order, expected in (([0, 1, 1], 0), ([1, 1, 0], 0), ([0, 0, 1], 1)):
        with torch.no_grad():
            made, of = difference_added(model, codes[order], Condition(condition.classes[order]))
        assert torch.allclose(made, codes[expected : expected + 1], atol=1e-5)
        assert torch.equal(of.classes, condition.classes[expected : expected + 1])
    alone = checkpoint.sample(seed=4, labels="Coat").images
    assert (render(checkpoint, made, of).int() - alone.int()).abs().max() <= 1


def test_the_sum_by_hand() -> None:
    checkpoint = toy_checkpoint()
    size = checkpoint.model.noise_shape[0]
    codes = torch.zeros(3, size)
    codes[0, 0], codes[1, 1], codes[2, 2] = 3, 4, 6  # at right angles: the sum is √61 long, the distance 3 − 4 + 6
    classes = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0, 1]])
    made, of = difference_added(latent_model(checkpoint.model), codes, Condition(classes))
    assert torch.allclose(made[0, :3], torch.tensor([3.0, -4.0, 6.0]) * 5 / 61**0.5)
    assert torch.allclose(of.classes, torch.tensor([[0.5, 0, 1]]) / 1.5)
