"""A − B + C of latents, against what it must be by hand."""

from __future__ import annotations

import pytest
import torch

from aigc_core import Checkpoint, SampleRequest
from aigc_core.demo.arithmetic import terms_of
from aigc_core.families.base import Condition, latent_model
from aigc_core.sampling.arithmetic import difference_added
from aigc_core.sampling.sample import render, request_codes, request_noise
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


@pytest.mark.parametrize("architecture", ["dcgan", "mlp"])
def test_terms_are_at_first_the_picture_of_a_link_and_later_seeds_of_its_class(architecture: str) -> None:
    checkpoint = toy_checkpoint(architecture)
    classes = [f"{name}, short" for name in checkpoint.config.class_names]
    checkpoint = Checkpoint(checkpoint.config.model_copy(update={"class_names": tuple(classes)}), checkpoint.model)
    drawn = set()
    for seed in range(8):
        link = f"?checkpoint=toy&seed={seed}&count=4"
        terms = terms_of(link, checkpoint, "toy", ("checkpoint=other&seed=1", "checkpoint=toy&seed=90", ""))
        assert (
            terms[1] == "checkpoint=toy&seed=90" and terms[0] == SampleRequest(checkpoint="toy", seed=seed).canonical()
        )
        requests = [SampleRequest.from_canonical(str(term)) for term in terms]
        assert requests[2].seed == seed + 2
        own, later = (request_noise(checkpoint, requests[number])[1].classes for number in (0, 2))
        assert torch.equal(own, later)
        drawn |= set(own.argmax(1).tolist()) if classes else set()
    assert len(drawn) == len(classes)
    if classes:
        first, last = terms_of("?checkpoint=toy&seed=1&labels=1,2", checkpoint, "toy", ("", ""))
        assert "labels=1" in str(first) and "labels=1" in str(last)
