"""What fuzzing has found, each by its smallest input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from aigc_core.checkpoint.layout import DIRECTIONS_FILE
from aigc_core.config import parse_config
from aigc_core.errors import AIGCError
from aigc_core.hub.pull import pull
from aigc_core.hub.revisions import list_revisions
from aigc_core.pipeline import Checkpoint
from aigc_core.sampling import directions
from aigc_core.sampling.directions import kept_directions, load_directions
from aigc_core.sampling.request import SampleRequest
from aigc_core.training.state import COUNTERS_FILE, load_training_state, save_training_state
from tests.local_hub import LocalHub
from tests.toy_models import toy_checkpoint


def trained_layer() -> tuple[nn.Linear, torch.optim.Adam]:
    """A layer after one step of its optimiser."""
    module = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return module, optimizer


def test_an_error_is_one_line_that_can_be_encoded() -> None:
    for error in (AIGCError("a\nb \udcff"), AIGCError("{name} is {count:,}", name="a\r\nb \udcff", count=1000)):
        assert len(str(error).splitlines()) == 1 and str(error).encode().startswith(b"a b ?")
        assert error.sentence.template.format(**error.sentence.values) == str(error) == error.sentence


@pytest.mark.parametrize("fields", [{"labels": "\ud800"}, {"options": {"\udcff": "1"}}, {"truncation": "\ud800"}])
def test_a_request_holds_only_text_that_its_query_string_can_hold(fields: dict) -> None:
    with pytest.raises(AIGCError):
        parse_config(SampleRequest, fields, "Request")


@pytest.mark.parametrize(
    "counters",
    ["[]", "7", "null", '{"step": "x", "samples_seen": 1, "training_seconds": 1}', '{"step": -1}', "[" * 100_000],
)
def test_counters_that_are_none_are_refused(counters: str, tmp_path: Path) -> None:
    module, optimizer = trained_layer()
    folder = tmp_path / "state"
    good = {"step": 1, "samples_seen": 64, "training_seconds": 0.5}
    save_training_state(folder, {"model": module}, {"model": optimizer}, good)
    assert load_training_state(folder, {"model": module}, {"model": optimizer}) == good
    (folder / COUNTERS_FILE).write_text(counters)
    with pytest.raises(AIGCError):
        load_training_state(folder, {"model": module}, {"model": optimizer})


@pytest.mark.parametrize("lacking", [{"0.exp_avg": None}, {"0.exp_avg": torch.zeros(7)}])
def test_an_optimiser_of_other_weights_is_refused(lacking: dict, tmp_path: Path) -> None:
    module, optimizer = trained_layer()
    folder = tmp_path / "state"
    save_training_state(
        folder, {"model": module}, {"model": optimizer}, {"step": 1, "samples_seen": 64, "training_seconds": 0.5}
    )
    file = folder / "model_optimizer.safetensors"
    changed = load_file(file) | lacking
    save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, file)
    with pytest.raises(AIGCError):
        load_training_state(folder, {"model": module}, {"model": optimizer})


@pytest.mark.parametrize("change", ["scalar", "double", "not finite", "of other codes"])
def test_directions_that_are_damaged_are_found_anew(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    checkpoint = Checkpoint.from_pretrained(toy_checkpoint("mlp").save_pretrained(tmp_path / "toy"))
    monkeypatch.setattr(directions, "_known", {})
    names = load_directions(checkpoint).names
    file = tmp_path / "toy" / DIRECTIONS_FILE
    tensors = load_file(file)
    vectors = tensors["vectors"]
    tensors["vectors"] = {
        "scalar": torch.tensor(1.0),
        "double": vectors.double(),
        "not finite": vectors * float("nan"),
        "of other codes": torch.ones(len(vectors), 3),
    }[change]
    save_file(tensors, file, {"names": ",".join(names), "weights": checkpoint.weights_sha256})
    directions._known.clear()
    assert kept_directions(checkpoint) is None
    assert load_directions(checkpoint).names == names


ANSWERS = ("[]", "7", "null", '{"branches": 7}', '{"branches": [{"name": 3}]}', "<html>", '{"sha": 7}')


@pytest.mark.parametrize("body", ANSWERS)
def test_an_answer_of_another_form_is_one_sentence(body: str, local_hub: LocalHub) -> None:
    local_hub.add("bob/toy", {"config.json": b"{}"})
    with local_hub.fault("^GET /api/models/bob/toy", body=body):
        for ask in (list_revisions, pull):
            with pytest.raises(AIGCError) as caught:
                ask("bob/toy")
            assert len(str(caught.value).splitlines()) == 1
